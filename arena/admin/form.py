"""A campaign as a form: its settings as texts of fields, and back; what is wrong, by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.errors import ArenaError
from rostra.arena.texts import NAMES
from rostra.arena.votes.records import MODES

Kind = Literal["text", "number", "time", "long", "lines", "json", "one", "several", "file"]
Given = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Field:
    name: str
    """Of `CampaignSettings`; those of the accent have a dot."""
    label: str
    kind: Kind = "text"
    hint: str = ""


FIELDS = (
    Field("name", "Name", hint="Small letters, digits and hyphens. Part of its address."),
    Field("title", "Title", hint="Default: the name."),
    Field("contestants", "Contestants", "several", "None chosen: all of the arena."),
    Field("modes", "Modes", "several"),
    Field("opens", "Opens", "time", "UTC"),
    Field("closes", "Closes", "time", "UTC"),
    Field("target", "Votes wanted", "number"),
    Field("at_target", "When there are as many", "one"),
    Field("audience", "Groups of voters let in", "lines", "One a line; none: everybody."),
    Field(
        "consent",
        "Consent",
        "long",
        "Markdown that a voter agrees to first, or one by language, "
        'as in {"en": "...", "de": "..."}',
    ),
    Field("language", "Language", "one", "Where a voter has not chosen one."),
    Field("suggested_prompts", "Suggested questions", "lines", "Three, one a line."),
    Field("prompts_file", "Set of questions", "file"),
    Field("logo", "Logo", "file"),
    Field("accent.light", "Colour on light", hint="As in #00629a; to be readable, dark enough."),
    Field("accent.dark", "Colour on dark", hint="As in #6db8e6; light enough."),
    Field("texts", "Texts", "json", 'As in {"en": {"battle": {"title": "Which is better?"}}}'),
    Field("matchmaking", "Matchmaking", "json", 'As in {"policy": "informative"}'),
    Field("refresh", "Ratings", "json", 'As in {"interval": 600, "by": "language"}'),
)
NAMED = {field.name for field in FIELDS}
CHOICES: dict[str, dict[str, str]] = {
    "modes": {"battle": "Battle", "side_by_side": "Side by side", "direct": "Chat"},
    "at_target": {"close": "close", "go_on": "go on"},
    "language": {"": "the browser's", **{str(code): name for code, name in NAMES.items()}},
}
"""Labels by value, where they are always the same."""


class FormError(Exception):
    """What is wrong, a line for each field; under "" what is of none."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {line}" for name, line in errors.items()))
        self.errors = dict(errors)


def files(folder: Path | None) -> dict[str, Path]:
    """What a campaign may name, by the name without the folder. Blocks."""
    if folder is None:
        return {}
    try:
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    except OSError as error:
        raise ArenaError(f"cannot read {folder} of arena.admin.files: {error.strerror}") from None


def values(settings: CampaignSettings | None) -> dict[str, str | list[str]]:
    """What stands in the fields; those of a new campaign for `None`."""
    if settings is None:
        return {field.name: "" for field in FIELDS} | {"modes": list(MODES), "contestants": []}
    kept = settings.model_dump(mode="json", exclude_unset=True)
    kept |= {f"accent.{theme}": colour for theme, colour in (kept.get("accent") or {}).items()}
    found: dict[str, str | list[str]] = {}
    for field in FIELDS:
        value = kept.get(field.name)
        if field.kind == "several":
            found[field.name] = list(getattr(settings, field.name))
        elif value is None:
            found[field.name] = ""
        elif field.kind == "lines":
            found[field.name] = "\n".join(value)
        elif field.kind == "json" or isinstance(value, dict):
            found[field.name] = json.dumps(value, indent=1, ensure_ascii=False)
        elif field.kind == "time":
            moment = getattr(settings, field.name).astimezone(UTC)
            found[field.name] = f"{moment:%Y-%m-%dT%H:%M}"
        elif field.kind == "file":
            found[field.name] = Path(value).name
        else:
            found[field.name] = str(value)
    return found


def settings_of(given: Given, known: Mapping[str, Path]) -> CampaignSettings:
    """What the fields say. `known`: of `files`. Raises `FormError`."""
    errors: dict[str, str] = {}
    read: dict[str, Any] = {}
    for field in FIELDS:
        try:
            value = _value(field, given.get(field.name, ""), known)
        except ValueError as error:
            errors[field.name] = str(error)
            continue
        if value is None:
            continue
        outer, _, inner = field.name.partition(".")
        if inner:
            read.setdefault(outer, {})[inner] = value
        else:
            read[outer] = value
    if errors:
        raise FormError(errors)
    try:
        return CampaignSettings.model_validate(read)
    except ValidationError as error:
        raise FormError(_errors(error)) from None


def error_of(line: str) -> FormError:
    """An error that begins with the setting it is of, and may name the campaign before."""
    if line.startswith("campaign '"):
        line = line.partition("': ")[2]
    place, _, rest = line.partition(": ")
    return FormError({_field(place): rest} if _field(place) else {"": line})


def _value(field: Field, given: str | list[str], known: Mapping[str, Path]) -> Any:
    """`None` where nothing was given. Raises ValueError."""
    if field.kind == "several":
        return given if isinstance(given, list) else [given] if given else []
    value: Any = (given.strip() if isinstance(given, str) else "") or None
    if value is None:
        return None
    if field.kind == "lines":
        value = [line.strip() for line in value.splitlines() if line.strip()]
    elif field.kind == "time" and len(value) == len("2026-01-01T00:00"):
        # A field of date and time says no zone.
        value = f"{value}:00Z"
    elif field.kind == "json" or (field.kind == "long" and value.startswith("{")):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"no JSON in line {error.lineno}: {error.msg}") from None
    elif field.kind == "file":
        if value not in known:
            raise ValueError(f"there is no {value!r} in the folder of arena.admin.files")
        value = str(known[value])
    return value


def _errors(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in error.errors(include_url=False):
        message = each["msg"].removeprefix("Value error, ")
        if each["type"] == "string_pattern_mismatch":
            message = "not of the form that is asked for"
        place = [str(part) for part in each["loc"]]
        if not place or place == ["accent"]:
            first, _, rest = message.partition(": ")
            place, message = ([*place, first], rest) if rest else (place, message)
        name = _field(".".join(place))
        inner = ".".join(place[1:]) if name == place[0] else ""
        found.setdefault(name, f"{inner}: {message}" if inner else message)
    return found


def _field(place: str) -> str:
    """The field that a setting belongs to; "" for none."""
    return next((name for name in (place, place.partition(".")[0]) if name in NAMED), "")
