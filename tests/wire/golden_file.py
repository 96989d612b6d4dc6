"""Encodings of earlier versions, in golden.jsonl: one JSON object a line, never changed.

`version` is the one that wrote the line, `message` the full name of its type, `wire` its encoding
in base64, `text` the same in protobuf's text format. golden.sha256 has the hash of each line, in
order. As a program it appends what today's protos have to show and no line shows yet.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from google.protobuf import message_factory, text_format
from google.protobuf.message import Message
from wire_samples import Fact, facts, facts_shown, message_types, samples

FOLDER = Path(__file__).parent
PYPROJECT = FOLDER.parents[1] / "pyproject.toml"


@dataclass(frozen=True)
class Entry:
    version: str
    message: str
    wire: str
    text: str

    def decode(self) -> Message:
        """By today's protos."""
        return message_class(self.message).FromString(base64.b64decode(self.wire))

    def parse(self) -> Message:
        """From the text, by today's names."""
        return text_format.Parse(self.text, message_class(self.message)())


@dataclass(frozen=True)
class Golden:
    """The two files of a folder."""

    folder: Path = FOLDER

    @property
    def lines_path(self) -> Path:
        return self.folder / "golden.jsonl"

    @property
    def hashes_path(self) -> Path:
        return self.folder / "golden.sha256"

    def lines(self) -> list[str]:
        return self.lines_path.read_text("utf-8").splitlines() if self.lines_path.exists() else []

    def entries(self) -> list[Entry]:
        return [Entry(**json.loads(line)) for line in self.lines()]

    def check_hashes(self) -> None:
        """Raises ValueError where a line is not the one that was written."""
        recorded = self.hashes_path.read_text().split() if self.hashes_path.exists() else []
        lines = self.lines()
        for number, (line, recorded_hash) in enumerate(zip(lines, recorded, strict=False), 1):
            if line_hash(line) != recorded_hash:
                raise ValueError(f"line {number} of {self.lines_path} was changed: take it back")
        if len(lines) != len(recorded):
            raise ValueError(
                f"{self.lines_path} has {len(lines)} lines and {self.hashes_path} {len(recorded)}"
            )

    def missing(self) -> dict[str, set[Fact]]:
        """What no entry shows, by message."""
        left = {name: facts(descriptor) for name, descriptor in message_types().items()}
        for entry in self.entries():
            if entry.message in left:
                left[entry.message] -= facts_shown(entry.decode())
        known = {entry.message for entry in self.entries()}
        # A message without fields has nothing to show but itself.
        return {name: some for name, some in left.items() if some or name not in known}

    def append(self, version: str) -> int:
        """Adds the samples that show something new. Returns how many."""
        self.check_hashes()
        types = message_types()
        added: list[str] = []
        for name, missing in self.missing().items():
            left = set(missing)
            for number, message in enumerate(samples(types[name])):
                shown = facts_shown(message) & left
                if shown or (number == 0 and not missing):
                    left -= shown
                    added.append(json.dumps(asdict(make_entry(version, message))))
        with self.lines_path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in added)
        with self.hashes_path.open("a") as file:
            file.writelines(f"{line_hash(line)}\n" for line in added)
        return len(added)


def message_class(name: str) -> type[Message]:
    """Raises KeyError for a message that there is no more."""
    return message_factory.GetMessageClass(message_types()[name])


def make_entry(version: str, message: Message) -> Entry:
    return Entry(
        version=version,
        message=message.DESCRIPTOR.full_name,
        wire=base64.b64encode(message.SerializeToString(deterministic=True)).decode(),
        text=text_format.MessageToString(message),
    )


def line_hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def main() -> int:
    version = tomllib.loads(PYPROJECT.read_text())["project"]["version"]
    golden = Golden()
    try:
        count = golden.append(version)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} entries of version {version} added to {golden.lines_path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
