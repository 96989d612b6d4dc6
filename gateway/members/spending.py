"""What a member's answers have used, and what that costs."""

from __future__ import annotations

from collections import Counter

from rostra.gateway.members.settings import MemberModel
from rostra.v1 import tokens_pb2


class Spending:
    """Since the gateway was started, by the models' names here."""

    def __init__(self) -> None:
        self.tokens: Counter[tuple[str, str]] = Counter()
        """By model and kind: `prompt`, and of these `cached_prompt`; `completion`."""
        self.cost: dict[str, float] = {}
        """Of models that have prices."""
        self.uncounted: Counter[str] = Counter()
        """Answers that did not say what they used."""

    def add(self, model: MemberModel, usage: tokens_pb2.Usage | None) -> None:
        name = model.name
        if usage is None:
            self.uncounted[name] += 1
            return
        prompt, cached = usage.prompt_tokens, usage.cached_prompt_tokens
        self.tokens[name, "prompt"] += prompt
        self.tokens[name, "cached_prompt"] += cached
        self.tokens[name, "completion"] += usage.completion_tokens
        if model.prices is not None:
            cost = model.prices.cost(prompt, cached, usage.completion_tokens)
            self.cost[name] = self.cost.get(name, 0.0) + cost
