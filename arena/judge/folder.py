"""A run on disk: what was asked of whom, every answer and every verdict.

run.json          contestants and judges as they were configured
questions.jsonl   the prompts
answers.jsonl     see `rostra.arena.judge.records.Answered`
verdicts.jsonl    see `rostra.arena.judge.records.Verdict`
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from rostra.arena.contestant import Contestant
from rostra.arena.judge.errors import JudgeError
from rostra.arena.judge.forms import Form
from rostra.arena.judge.ledger import Ledger
from rostra.arena.judge.questions import Question, parse_questions, write_questions
from rostra.arena.judge.records import Answered, Verdict
from rostra.arena.judge.settings import JudgeSettings

MANIFEST, QUESTIONS, ANSWERS, VERDICTS, LOCK = (
    *("run.json", "questions.jsonl", "answers.jsonl", "verdicts.jsonl", ".lock"),
)
VERSION = 1
_MOST_NAMED = 3
_UNFINISHED = {LOCK, QUESTIONS, f"{QUESTIONS}.new", f"{MANIFEST}.new"}
"""What a process leaves that dies before the run is made."""


class Manifest(msgspec.Struct):
    version: int = VERSION
    contestants: dict[str, dict[str, Any]] = {}
    judges: dict[str, dict[str, Any]] = {}
    forms: dict[str, Form] = {}
    """By judge, that in which its server was found to give verdicts."""


class RunFolder:
    """Made by `opened`, which holds the lock of its folder, or by `read`, which may not write."""

    def __init__(
        self, path: Path, manifest: Manifest, questions: Sequence[Question], *, writable: bool
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.questions = tuple(questions)
        self._answers = Ledger(path / ANSWERS, Answered, writable=writable)
        self._verdicts = Ledger(path / VERDICTS, Verdict, writable=writable)
        self._texts = {
            (each.question, each.contestant, each.turn): each for each in self._answers.records
        }

    @property
    def verdicts(self) -> Sequence[Verdict]:
        return self._verdicts.records

    def answer(self, question: str, contestant: str, turn: int) -> Answered | None:
        return self._texts.get((question, contestant, turn))

    def add_answers(self, *answers: Answered) -> None:
        self._answers.add(*answers)
        for each in answers:
            self._texts[each.question, each.contestant, each.turn] = each

    def add_verdicts(self, *verdicts: Verdict) -> None:
        self._verdicts.add(*verdicts)

    def enter_contestants(self, contestants: Iterable[Contestant]) -> None:
        """Raises JudgeError where one of them was in this run with other settings."""
        known = self.manifest.contestants
        given = {each.name: each.snapshot() for each in contestants}
        _same(self.path, "contestant", known, given)
        if given.keys() - known.keys():
            self.manifest.contestants = known | given
            self._save()

    def enter_judges(self, judges: Iterable[JudgeSettings]) -> None:
        """Raises JudgeError where one of them judged here with other settings."""
        known = self.manifest.judges
        given = {each.name: each.identity() for each in judges}
        _same(self.path, "judge", known, given)
        if given.keys() - known.keys():
            self.manifest.judges = known | given
            self._save()

    def keep_form(self, judge: str, form: Form) -> None:
        self.manifest.forms[judge] = form
        self._save()

    def enter_names(self, contestants: Iterable[str], judges: Iterable[str]) -> None:
        """Of an import, of which no more is known."""
        manifest = self.manifest
        for name in contestants:
            manifest.contestants.setdefault(name, {"name": name})
        for name in judges:
            manifest.judges.setdefault(name, {"name": name})
        self._save()

    def _save(self) -> None:
        save_manifest(self.path, self.manifest)

    def close(self) -> None:
        self._answers.close()
        self._verdicts.close()


@contextmanager
def opened(path: Path, questions: Sequence[Question] | None = None) -> Iterator[RunFolder]:
    """The run in `path`, made anew there for `questions` where there is none.

    Questions that are new to it are added. Raises JudgeError where there is none to open, where its
    own questions are not all among `questions` as they were, and where another process has it open.
    """
    if questions is None:
        _require(path)
    lock = FileLock(path / LOCK)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise JudgeError(f"{path} is open in another process: wait until that ends") from None
    except OSError as error:
        raise JudgeError(f"cannot write {error.filename or path}: {error.strerror}") from None
    try:
        folder = _opened(path, questions)
        try:
            yield folder
        finally:
            folder.close()
    finally:
        lock.release()


def _opened(path: Path, questions: Sequence[Question] | None) -> RunFolder:
    if not (path / MANIFEST).is_file() and questions is not None:
        if others := sorted(set(os.listdir(path)) - _UNFINISHED):
            raise JudgeError(
                f"{path} holds {others[0]} and is no run of judges: name another folder"
            )
        write_questions(path / QUESTIONS, questions)
        # Last, so that a folder with it is whole.
        save_manifest(path, Manifest())
    manifest, known = _read(path)
    if questions is not None:
        _same(
            path,
            "question",
            {each.question_id: _plain(each) for each in known},
            {each.question_id: _plain(each) for each in questions},
            kept=True,
        )
        if len(questions) > len(known):
            write_questions(path / QUESTIONS, questions)
            known = list(questions)
    return RunFolder(path, manifest, known, writable=True)


def read(path: Path) -> RunFolder:
    """The run as it is now, while another process may go on with it. Raises JudgeError where there
    is none, or it cannot be read."""
    _require(path)
    return RunFolder(path, *_read(path), writable=False)


def _require(path: Path) -> None:
    if not (path / MANIFEST).is_file():
        raise JudgeError(
            f"{path} is no run of judges: begin one with `rostra judge run {path} PROMPTS`"
        )


def _read(path: Path) -> tuple[Manifest, list[Question]]:
    try:
        manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JudgeError(f"{path / MANIFEST} is not of this form: {error}") from None
    if manifest.version != VERSION:
        raise JudgeError(
            f"{path} is a run of version {manifest.version}, and this Rostra knows {VERSION}"
        )
    known, faults = parse_questions(path / QUESTIONS)
    if faults:
        raise JudgeError(f"{faults[0]}; restore it or take another run folder")
    return manifest, known


def save_manifest(path: Path, manifest: Manifest) -> None:
    draft = path / f"{MANIFEST}.new"
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path / MANIFEST)


def _same(
    path: Path, kind: str, known: dict[str, Any], given: dict[str, Any], *, kept: bool = False
) -> None:
    """Raises JudgeError with what differs. `kept`: also where what is known is not given again."""
    found: list[str] = []
    for name, before in known.items():
        if name in given:
            found += _differences(f"{kind} {name!r}: ", before, given[name])
        elif kept:
            found.append(f"{kind} {name!r} of the run is not given")
    if found:
        more = f", and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise JudgeError(
            f"{path} is a run of another configuration ({'; '.join(sorted(found)[:_MOST_NAMED])}"
            f"{more}): name another folder, or give what differs another name"
        )


def _differences(where: str, known: Any, given: Any) -> list[str]:
    if isinstance(known, dict) and isinstance(given, dict):
        return [
            each
            for name in known.keys() | given.keys()
            for each in _differences(f"{where}{name} ", known.get(name), given.get(name))
        ]
    if known == given:
        return []
    return [f"{where}was {_shown(known)}, is {_shown(given)}"]


def _plain(question: Question) -> Any:
    return msgspec.json.decode(msgspec.json.encode(question))


def _shown(value: Any) -> str:
    text = "unset" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
