"""Requests of the OpenAI API, as pydantic models: every documented field has its place here."""
