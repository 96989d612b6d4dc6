"""Answers as HTML: safe whatever a model wrote, and drawn while it is still written."""

from rostra.arena.rendering.stream import AnswerStream, Part, render

__all__ = ["AnswerStream", "Part", "render"]
