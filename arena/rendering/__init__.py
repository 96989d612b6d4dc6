"""Answers as HTML: safe whatever a model wrote, and drawn while it is still written."""

from rostra.arena.rendering.markdown import render
from rostra.arena.rendering.stream import AnswerStream, Part

__all__ = ["AnswerStream", "Part", "render"]
