"""A campaign's logo."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rostra.arena.errors import ArenaError

MOST_BYTES = 512 * 1024
_KINDS = {
    "image/png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "image/webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "image/svg+xml": lambda head: b"<svg" in head,
}
"""By how such files begin."""


@dataclass(frozen=True)
class Logo:
    content: bytes
    media_type: str

    @property
    def version(self) -> str:
        """Differs when the picture does."""
        return sha256(self.content).hexdigest()[:16]


def read_logo(path: Path) -> Logo:
    """Raises `ArenaError` for a file that cannot be read, is too large, or no picture."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ArenaError(f"logo: cannot read {path}: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise ArenaError(f"logo: {path} has more than {MOST_BYTES // 1024} KiB; make it smaller")
    for media_type, is_one in _KINDS.items():
        if is_one(content[:1000]):
            return Logo(content, media_type)
    raise ArenaError(f"logo: {path} is none of PNG, JPEG, WebP and SVG")
