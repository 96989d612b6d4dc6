"""Where long-running commands write what happens."""

from __future__ import annotations

import logging
import os


def log_to_stderr() -> None:
    """One line for each event, at the level that $ROSTRA_LOG_LEVEL names (default INFO)."""
    logging.basicConfig(
        level=os.environ.get("ROSTRA_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
