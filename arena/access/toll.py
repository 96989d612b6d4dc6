"""What a question costs the one who asks it: work of their browser, and one of so many a minute."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from rostra.arena.access.limits import Limits
from rostra.arena.access.proof import ProofRefusedError, Proofs
from rostra.arena.access.voter import Voter
from rostra.arena.errors import ToldVoterError
from rostra.arena.texts import Texts

logger = logging.getLogger(__name__)


class Toll:
    """Of one page of a voter."""

    def __init__(self, limits: Limits, proofs: Proofs, voter: Voter, texts: Texts) -> None:
        self._limits = limits
        self._proofs = proofs
        self._voter = voter
        self._texts = texts

    def pay(self, sent: Mapping[str, Any]) -> str | None:
        """`None` where the question may go off, else the challenge that is to be solved first.

        `sent`: by the browser, with `challenge` and `proof` where it has solved one. Raises
        `ToldVoterError` for a solution that is none, and where the voter has asked too often.
        """
        if "proof" in sent:
            try:
                self._proofs.take(self._voter, str(sent.get("challenge", "")), str(sent["proof"]))
            except ProofRefusedError as error:
                logger.info("refused: %s", error)
                raise ToldVoterError(self._texts("proof.failed")) from error
        if not self._proofs.spend(self._voter):
            return self._proofs.challenge(self._voter)
        self._limits.check("question", self._voter, self._texts)
        return None
