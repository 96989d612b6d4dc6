"""Answers of the API, as pydantic models.

The document of the API is made from them. Answers themselves are built as plain dictionaries, which
is several times faster; tests hold every answer to its model.
"""
