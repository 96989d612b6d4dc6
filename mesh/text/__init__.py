"""Tokenizers, chat templates, incremental detokenisation."""

from __future__ import annotations

from rostra.mesh.text.detokenizer import IncrementalDetokenizer
from rostra.mesh.text.output import OutputText, ReleasedText
from rostra.mesh.text.template import ChatTemplate, ChatTemplateError
from rostra.mesh.text.tokenizer import Tokenizer
from rostra.mesh.text.traits import TemplateTraits

__all__ = [
    "ChatTemplate",
    "ChatTemplateError",
    "IncrementalDetokenizer",
    "OutputText",
    "ReleasedText",
    "TemplateTraits",
    "Tokenizer",
]
