"""The model of `benchmarks.tiny_model`, by the name that tests know it by."""

from __future__ import annotations

from benchmarks.tiny_model import CHAT_TEMPLATE, MAX_MODEL_LEN, save_tiny_model

__all__ = ["CHAT_TEMPLATE", "MAX_MODEL_LEN", "save_tiny_model"]
