"""A chatbot in the terminal, on Rostra's gateway, with OpenAI's own client.

    pip install openai
    python chatbot.py --url http://127.0.0.1:8000/v1

An empty line or Ctrl-D ends it; Ctrl-C ends the answer that is being written.
"""

from __future__ import annotations

import argparse
import os
import sys

import openai
from openai.types.chat import ChatCompletionMessageParam

RETRIES = 3
"""By the client itself: after 429, 503 and lost connections, when `Retry-After` says."""


class Chatbot:
    """A conversation: its history, and how it goes on."""

    def __init__(self, client: openai.OpenAI, model: str, system: str, max_tokens: int) -> None:
        self._client = client
        self._model = model
        self._max_tokens = max_tokens
        self._system: list[ChatCompletionMessageParam] = (
            [{"role": "system", "content": system}] if system else []
        )
        self.turns: list[ChatCompletionMessageParam] = []

    def answer(self, question: str) -> None:
        """Prints the answer as it is written, and remembers it.

        A question without an answer is forgotten. Raises `openai.OpenAIError` for that.
        """
        self.turns.append({"role": "user", "content": question})
        while True:
            try:
                text = self._stream()
            except openai.BadRequestError as error:
                # The oldest exchange goes, until the rest fits the model again.
                if error.code != "context_length_exceeded" or len(self.turns) == 1:
                    self.turns.pop()
                    raise
                del self.turns[:2]
                print("(the beginning of the conversation was forgotten)")
            except openai.OpenAIError:
                self.turns.pop()
                raise
            else:
                self.turns.append({"role": "assistant", "content": text})
                return

    def _stream(self) -> str:
        written: list[str] = []
        with self._client.chat.completions.create(
            model=self._model,
            messages=[*self._system, *self.turns],
            max_tokens=self._max_tokens,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            try:
                for chunk in stream:
                    for choice in chunk.choices:
                        piece = choice.delta.content or ""
                        written.append(piece)
                        print(piece, end="", flush=True)
                        if choice.finish_reason == "length":
                            print(" ...", end="")
                    if chunk.usage is not None:
                        tokens = chunk.usage
                        print(f"\n[{tokens.prompt_tokens} + {tokens.completion_tokens} tokens]")
            except KeyboardInterrupt:
                # Leaving the block closes the connection, and that ends the work at the worker.
                print(" (stopped)")
        return "".join(written)


def explained(error: openai.OpenAIError) -> str:
    """What a person can do about it."""
    if isinstance(error, openai.APIConnectionError):
        return "the gateway does not answer: is it running, and is --url right?"
    if isinstance(error, openai.AuthenticationError):
        return "the gateway wants a key, and not this one: set OPENAI_API_KEY"
    if isinstance(error, openai.NotFoundError):
        return f"{error.message}"
    if isinstance(error, openai.RateLimitError):
        return "too many requests, even after waiting: ask again later"
    if isinstance(error, openai.APIStatusError):
        return f"{error.status_code}: {error.message}"
    return str(error)  # a stream that broke off


def first_model(client: openai.OpenAI) -> str:
    """Of those that the gateway lists. Raises SystemExit where there is none."""
    for model in client.models.list():
        return model.id
    raise SystemExit("error: the gateway serves no model now")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", help="default: the first that the gateway lists")
    parser.add_argument("--system", default="Answer briefly.", help="system prompt")
    parser.add_argument("--max-tokens", type=int, default=256)
    arguments = parser.parse_args()
    client = openai.OpenAI(
        base_url=arguments.url,
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
        max_retries=RETRIES,
        timeout=120.0,
    )
    try:
        model = arguments.model or first_model(client)
        bot = Chatbot(client, model, arguments.system, arguments.max_tokens)
        print(f"Talking to {model}.")
    except openai.OpenAIError as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return 2
    while True:
        try:
            question = input("\n> ").strip()
        except (EOFError, KeyboardInterrupt):
            question = ""
        if not question:
            print()
            return 0
        try:
            bot.answer(question)
        except openai.OpenAIError as error:
            print(f"error: {explained(error)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
