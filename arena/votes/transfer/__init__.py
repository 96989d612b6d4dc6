"""Votes in and out of the store, in our own forms and those of others."""
