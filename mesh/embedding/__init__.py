"""Turning texts into vectors: which models do, how their hidden states are pooled, the engine."""
