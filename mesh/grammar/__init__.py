"""Grammars that outputs must follow."""
