"""Counts in, posterior out."""
