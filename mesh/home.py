"""Where Rostra keeps its files on this host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

ENVIRONMENT_VARIABLE = "ROSTRA_HOME"


@dataclass(frozen=True)
class Home:
    """The folders for what can be fetched again (`cache`) and what cannot (`data`)."""

    cache: Path
    data: Path
    root: Path | None = None
    """The one folder that holds both, when it was chosen."""

    @classmethod
    def locate(cls, root: str | os.PathLike[str] | None = None) -> Home:
        """`root`, else `$ROSTRA_HOME`, else the user's own cache and data folders."""
        chosen = root or os.environ.get(ENVIRONMENT_VARIABLE)
        if chosen:
            path = Path(chosen).expanduser().resolve()
            return cls(cache=path / "cache", data=path / "data", root=path)
        return cls(
            cache=platformdirs.user_cache_path("rostra"),
            data=platformdirs.user_data_path("rostra"),
        )

    @property
    def models(self) -> Path:
        return self.cache / "models"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def ratings(self) -> Path:
        return self.data / "ratings"

    @property
    def votes_url(self) -> str:
        """SQLAlchemy URL of the vote store."""
        return f"sqlite:///{self.data / 'votes.sqlite3'}"
