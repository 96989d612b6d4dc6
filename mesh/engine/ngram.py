"""Guesses from the request's own text: what followed its last tokens when they occurred before."""

from __future__ import annotations

from rostra.mesh.engine.request import Request

LEAST_MATCH, LONGEST_MATCH = 2, 4
"""Tokens at the end that have to occur earlier, and beyond which a longer match is no better."""

_MOST_CANDIDATES = 16
"""Earlier occurrences compared, the most recent first."""


class _Index:
    """Where each pair of neighbouring tokens occurred in one text, as chains of positions."""

    __slots__ = ("earlier", "latest")

    def __init__(self) -> None:
        self.latest: dict[tuple[int, int], int] = {}
        """Position of the second token of a pair, where it occurred last."""
        self.earlier: list[int] = [-1]
        """By position: where the pair that ends here ended before; -1 where it did not."""

    def extend(self, token_ids: list[int]) -> None:
        """Takes in pairs up to the last but one token: only what follows a pair is of use."""
        latest, earlier = self.latest, self.earlier
        for position in range(len(earlier), len(token_ids) - 1):
            pair = (token_ids[position - 1], token_ids[position])
            earlier.append(latest.get(pair, -1))
            latest[pair] = position

    def longest_match(self, token_ids: list[int]) -> int:
        """Position after the longest match of the end of the text, the latest of equals; or 0."""
        position = self.latest.get((token_ids[-2], token_ids[-1]), -1)
        best, best_length = 0, 0
        for _ in range(_MOST_CANDIDATES):
            if position < 0:
                break
            length = LEAST_MATCH
            while (
                length < LONGEST_MATCH
                and length <= position
                and token_ids[position - length] == token_ids[-1 - length]
            ):
                length += 1
            if length > best_length:
                best, best_length = position + 1, length
            if length == LONGEST_MATCH:
                break
            position = self.earlier[position]
        return best


class NGramDrafter:
    """Prompt lookup decoding (Saxena 2023), with an index that grows with the text.

    The guess is what followed the longest earlier match of the last 4 to 2 tokens. A token costs
    one entry of the index, and a guess a fixed number of comparisons, however long the text is.
    """

    def __init__(self) -> None:
        self._indexes: dict[Request, _Index] = {}

    def draft(self, request: Request, count: int) -> list[int]:
        token_ids = request.token_ids
        if len(token_ids) <= LEAST_MATCH:
            return []
        index = self._indexes.get(request)
        if index is None:
            index = self._indexes[request] = _Index()
        index.extend(token_ids)
        start = index.longest_match(token_ids)
        if start == 0:
            return []
        guesses = token_ids[start : start + count]
        # A match that reaches into its own continuation: the text goes round with this period.
        period = len(guesses)
        while len(guesses) < count:
            guesses.append(guesses[len(guesses) - period])
        return guesses

    def forget(self, request: Request) -> None:
        self._indexes.pop(request, None)
