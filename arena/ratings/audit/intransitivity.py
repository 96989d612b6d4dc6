"""Whether one strength for each contestant can explain who beats whom."""

from __future__ import annotations

from rostra.arena.ratings.audit.evidence import Evidence
from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.summary.transitivity import transitivity

MIN_TRIADS = 10
"""With fewer, one cycle more or less moves the share by more than a tenth."""
MAX_EXCESS = 0.02
"""Of the share of cyclic triads above what the model gives; a smaller one does not bear on the
order, however sure."""
MAX_EXCESS_OF_ORDER = 0.1
"""A tenth of all triads going round without reason is no order to speak of in that part."""
P_VALUE = 0.03
"""One-sided: fewer cycles than predicted are no objection to the order."""


def probe(evidence: Evidence) -> Finding:
    """Cyclic triads against votes replicated from the posterior.

    An alarm takes more cycles than replicated votes have and pairs that stray from the model
    further than replicated ones do.
    """
    found = transitivity(evidence.posterior, evidence.replications)
    numbers: dict[str, float | int | None] = {"triads": found.triads, "cyclic": found.cyclic}
    if found.triads < MIN_TRIADS:
        text = (
            f"Only {found.triads} triads of contestants met and were decided: too few to tell "
            "whether preferences go round in circles."
        )
        return Finding("intransitivity", "cannot tell", text, numbers)
    expected = float(found.replicated.mean())
    numbers |= {
        "share": found.share,
        "expected_share": expected,
        "excess": found.excess,
        "p_value": found.p_value,
        "misfit_p_value": found.misfit,
        "replications": len(found.replicated),
    }
    details = {"example": list(found.example) if found.example else None}
    shares = (
        f"{found.cyclic:,} of {found.triads:,} triads ({found.share:.1%}) go round in a circle, "
        f"{expected:.1%} were to be expected"
    )
    if max(found.p_value, found.misfit) < P_VALUE and found.excess > MAX_EXCESS:
        circle = f" ({' > '.join((*found.example, found.example[0]))})" if found.example else ""
        verdict = "fail" if found.excess > MAX_EXCESS_OF_ORDER else "warning"
        text = f"{shares}: one number for each cannot tell all of who beats whom{circle}."
        return Finding("intransitivity", verdict, text, numbers, details)  # type: ignore[arg-type]
    return Finding("intransitivity", "pass", f"{shares}.", numbers, details)
