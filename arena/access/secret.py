"""The secret that signs cookies and sessions: one for all processes, which outlives them."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from sqlalchemy.engine import make_url

from rostra.arena.errors import ArenaError

ENVIRONMENT_VARIABLE = "ROSTRA_COOKIE_SECRET"
FILE_NAME = "cookie-secret"
SHORTEST = 32
"""Characters."""


def secret(given: str | None, folder: Path) -> str:
    """`given`, else the environment's, else the one in `folder`, which is made where there is none.

    Raises `ArenaError` when it is too short, cannot be kept, or is open to other users.
    """
    chosen = given or os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen is None:
        return _kept(folder / FILE_NAME)
    if len(chosen) < SHORTEST:
        raise ArenaError(f"${ENVIRONMENT_VARIABLE} is too short: use {SHORTEST} characters or more")
    return chosen


def secret_folder(votes_url: str, ratings_dir: Path) -> Path:
    """Beside the file of the vote store, or beside the ratings where the votes are in no file."""
    url = make_url(votes_url)
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(url.database or "").parent if in_file else ratings_dir.parent


def _kept(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ArenaError(f"others can read {path}, which signs logins: chmod 600 it")
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ArenaError(
            f"cannot keep the secret of cookies in {path}: {error}; "
            f"set arena.access.cookie_secret or ${ENVIRONMENT_VARIABLE}"
        ) from None
    if len(kept) < SHORTEST:
        raise ArenaError(f"{path} holds no secret: delete it, and everybody logs in again")
    return kept


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        # Of several processes that start at once the first one's stands.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
