"""From the streams of rostra.v1 to answers of the OpenAI API.

There is one way from a worker's messages to JSON: they become the choices of streamed chunks, and
an answer that is not streamed is those same choices put together.
"""
