"""How commands print lines of text."""

from __future__ import annotations

from typing import Any

PLAIN: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}
"""For `Console.print`: as the line is. Rich else breaks it at the terminal's width, colours what it
takes for numbers and paths, and reads brackets in names as markup."""
