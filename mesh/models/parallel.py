"""The ranks that compute one model together, as its layers see them."""

from __future__ import annotations

from torch import Tensor

from rostra.mesh.errors import RostraError


class Parallel:
    """A process that computes alone: rank 0 of 1.

    A group of several overrides the collectives. Every rank calls them in the same order, with
    tensors of the same shapes (Megatron-LM, arXiv 1909.08053).
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    """Ranks on this host."""

    def all_reduce(self, x: Tensor) -> Tensor:
        """The sum of all ranks' `x`, in its place."""
        return x

    def gather_columns(self, x: Tensor) -> Tensor:
        """[n, c] of every rank, side by side: [n, size * c]. Whole on rank 0; on the others a
        tensor of that shape with any content."""
        return x

    def least(self, value: int) -> int:
        """The smallest of all ranks' values. No rank has it before all have given theirs."""
        return value

    def wait(self) -> None:
        """Returns when all ranks have come here."""
        self.least(0)

    def share(self, count: int, what: str) -> slice:
        """This rank's part of `count` things. Raises RostraError where they cannot be divided."""
        if count % self.size:
            raise RostraError(
                f"{count} {what} cannot be divided among {self.size} tensor-parallel ranks; "
                f"choose a divisor of {count}"
            )
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def share_heads(self, num_kv_heads: int) -> slice:
        """This rank's key-value heads: one of them on several ranks where there are too few."""
        if num_kv_heads >= self.size:
            return self.share(num_kv_heads, "key-value heads")
        if self.size % num_kv_heads:
            raise RostraError(
                f"{num_kv_heads} key-value heads cannot be given to {self.size} tensor-parallel "
                f"ranks; choose a divisor or a multiple of {num_kv_heads}"
            )
        head = self.rank * num_kv_heads // self.size
        return slice(head, head + 1)


ALONE = Parallel()
