"""A log checked entry by entry, wherever it is read from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from rostra.arena.votes.log.bodies import VERSIONS
from rostra.arena.votes.log.chain import GENESIS, link
from rostra.arena.votes.log.checkpoints import SignedHead
from rostra.arena.votes.log.errors import LogBrokenError

KINDS = ("vote", "reasons", "import")
_ENVELOPE = ("seq", "kind", "battle_id", "at")


@dataclass(frozen=True)
class Verified:
    """A log without a fault, and how far signatures reach."""

    entries: int
    kinds: dict[str, int]
    first: bytes | None
    """Hash of the first entry, by which the log is known."""
    head: bytes
    checkpoints: int
    """How many signatures hold, of `public_key` where one was asked for."""
    signed: SignedHead | None
    """The last of those."""
    redacted: int = 0
    """Battles in the log whose texts were taken out of the store."""

    @property
    def unsigned(self) -> int:
        """Entries after the last signature."""
        return self.entries - (self.signed.seq if self.signed else 0)


class Checker:
    """Follows a chain. `checkpoints` come with the log; `held` were kept elsewhere and must be of
    this log; `public_key` must have signed at least one of all of them."""

    def __init__(
        self,
        checkpoints: Iterable[SignedHead],
        held: Iterable[SignedHead] = (),
        public_key: bytes | None = None,
    ) -> None:
        self._checkpoints: dict[int, list[SignedHead]] = {}
        for checkpoint in dict.fromkeys((*checkpoints, *held)):
            if not checkpoint.genuine:
                raise LogBrokenError(
                    f"the signature of the checkpoint at entry {checkpoint.seq:,} does not hold"
                )
            self._checkpoints.setdefault(checkpoint.seq, []).append(checkpoint)
        self._public_key = public_key
        self._signed: list[SignedHead] = []
        self._kinds = dict.fromkeys(KINDS, 0)
        self._seq = 0
        self._first: bytes | None = None
        self._head = GENESIS

    def entry(
        self, seq: int, kind: str, battle_id: str, at: str, body: str, hash: bytes
    ) -> dict[str, Any]:
        """Checks that the entry is the next of the chain and its body says what stands beside it.
        Returns the body. Raises `LogBrokenError`."""
        expected = self._seq + 1
        if seq != expected:
            found = "stands twice" if seq < expected else f"is missing; entry {seq:,} follows"
            raise LogBrokenError(found, min(seq, expected))
        if link(self._head, body) != hash:
            raise LogBrokenError(
                "its hash is not that of the entry before it and its body", seq, battle_id
            )
        content = _parsed(body, seq, battle_id)
        if content.get("version") not in VERSIONS:
            raise LogBrokenError(
                f"its body is of version {content.get('version')!r}, this Rostra knows those up to "
                f"{VERSIONS[-1]}: upgrade",
                seq,
                battle_id,
            )
        beside = dict(zip(_ENVELOPE, (seq, kind, battle_id, at), strict=True))
        said = {name: content.get(name) for name in _ENVELOPE}
        if said != beside:
            raise LogBrokenError(difference(said, beside, "the columns beside it"), seq, battle_id)
        self._seq, self._head = seq, hash
        self._first = self._first or hash
        if kind not in KINDS:
            raise LogBrokenError(f"there is no kind {kind!r}", seq, battle_id)
        self._kinds[kind] += 1
        self._check_signatures(self._checkpoints.pop(seq, ()))
        return content

    @property
    def end(self) -> tuple[int, bytes]:
        """Number and hash of the entry checked last."""
        return self._seq, self._head

    def finish(self) -> Verified:
        """After the last entry. Raises `LogBrokenError` for what should have been there."""
        if self._checkpoints:
            seq = min(self._checkpoints)
            raise LogBrokenError(
                f"it ends at entry {self._seq:,}, and a checkpoint was signed at entry {seq:,}: "
                "entries were cut off its end"
            )
        if self._public_key is not None and not self._signed:
            raise LogBrokenError(f"no checkpoint is signed by {self._public_key.hex()}")
        return Verified(
            entries=self._seq,
            kinds=self._kinds,
            first=self._first,
            head=self._head,
            checkpoints=len(self._signed),
            signed=self._signed[-1] if self._signed else None,
        )

    def _check_signatures(self, checkpoints: Collection[SignedHead]) -> None:
        for checkpoint in checkpoints:
            if checkpoint.hash != self._head:
                raise LogBrokenError(
                    f"its hash is {self._head.hex()}, and the checkpoint of "
                    f"{checkpoint.at.isoformat()} signed {checkpoint.hash.hex()}: the log was "
                    "written anew",
                    checkpoint.seq,
                )
            if self._public_key in (None, checkpoint.public_key):
                self._signed.append(checkpoint)


def difference(logged: Any, found: Any, where: str) -> str:
    """The first place at which two JSON values differ, in words."""
    path, ours, theirs = _first_difference(logged, found, "")
    return f"{path or 'it'} is {_short(ours)} in the log and {_short(theirs)} in {where}"


def _first_difference(ours: Any, theirs: Any, path: str) -> tuple[str, Any, Any]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**ours, **theirs}:
            if ours.get(key, _ABSENT) != theirs.get(key, _ABSENT):
                below = f"{path}.{key}" if path else key
                return _first_difference(ours.get(key, _ABSENT), theirs.get(key, _ABSENT), below)
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if one != other:
                return _first_difference(one, other, f"{path}[{number}]")
    return path, ours, theirs


_ABSENT = object()


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, list):
        return f"{len(value)} long"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _parsed(body: str, seq: int, battle_id: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise LogBrokenError(f"its body is no JSON object: {error}", seq, battle_id) from None
