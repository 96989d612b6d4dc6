"""An encoder small enough to answer in milliseconds, with a tokenizer of BERT's kind."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"the quick brown fox jump ##s over a lazy dog".split(),
]
CLS, SEP = 2, 3
SIZE = 32
MAX_MODEL_LEN = 48


def save_tiny_encoder(path: Path) -> None:
    """Writes a random BERT; always the same one. It is pooled by the mean."""
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    # What training leaves behind, and must not touch what users send.
    backend.enable_truncation(8)
    backend.enable_padding(length=8)
    backend.save(str(path / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=SIZE,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(path)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    package = "sentence_transformers.models"
    listed = [{"path": path_, "type": f"{package}.{kind}"} for path_, kind in modules]
    (path / "modules.json").write_text(json.dumps(listed))
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    settings = {"max_seq_length": MAX_MODEL_LEN, "do_lower_case": False}
    (path / "sentence_bert_config.json").write_text(json.dumps(settings))
