"""Stops a question before it reaches a model."""
