"""Where long-running commands write what happens."""

from __future__ import annotations

import logging
import os

from rostra.mesh.errors import RostraError

VARIABLE = "ROSTRA_LOG_LEVEL"


def log_to_stderr() -> None:
    """One line for each event, at the level that $ROSTRA_LOG_LEVEL names (default INFO).

    Raises RostraError for a level that does not exist.
    """
    level = os.environ.get(VARIABLE, "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise RostraError(f"${VARIABLE} is {level!r}; use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    logging.basicConfig(
        level=level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
