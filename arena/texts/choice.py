"""Which language a page speaks."""

from __future__ import annotations

from rostra.arena.texts import FALLBACK, LANGUAGES, Language


def choose(chosen: str | None, set_by_operator: Language | None, accepted: str) -> Language:
    """The voter's own choice, else the operator's, else what the browser asks for.

    `accepted`: an `Accept-Language` header (RFC 9110, section 12.5.4); what is malformed in it is
    passed over. `chosen` comes from a cookie and may be anything.
    """
    if known := _known(chosen or ""):
        return known
    return set_by_operator or _accepted(accepted) or FALLBACK


def _accepted(header: str) -> Language | None:
    weighted: list[tuple[float, Language]] = []
    for entry in header.split(","):
        tag, _, parameter = entry.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if (language := _known(tag)) and weight > 0:
            weighted.append((weight, language))
    # `max` keeps the first of equals, as the header means it.
    return max(weighted, key=lambda item: item[0])[1] if weighted else None


def _known(tag: str) -> Language | None:
    """`de` of `de-AT`: no language here has regional texts."""
    primary = tag.strip().lower().partition("-")[0]
    return next((language for language in LANGUAGES if language == primary), None)
