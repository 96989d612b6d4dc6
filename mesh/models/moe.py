"""Feed-forward blocks of many experts, of which a router gives each token a few."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.decoder import DecoderModel
from rostra.mesh.models.layers import Packed
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.models.parameters import Piece, Weight
from rostra.mesh.models.stored import StoredWeights
from rostra.mesh.models.stored.experts import ExpertNames, unstacked
from rostra.mesh.ops import Experts, Linear, Ops
from rostra.mesh.ops.coded_weight import CodedWeight


class Routing(NamedTuple):
    num_experts: int
    top_k: int
    """Experts of each token."""
    renormalize: bool
    """Whether the factors of a token's experts are divided by their sum."""

    @classmethod
    def read(cls, config: ModelConfig, *, default: int, renormalize: bool) -> Routing:
        """`default`: of the number of experts. Raises RostraError for more experts to a token than
        there are."""
        fields = config.fields
        # transformers reads either name for each of these families.
        name = "num_experts" if fields.raw.get("num_local_experts") is None else "num_local_experts"
        num_experts = fields.integer(name, default)
        top_k = fields.integer("num_experts_per_tok")
        if top_k > num_experts:
            raise fields.error("num_experts_per_tok", f"{top_k} is more than {name}, {num_experts}")
        return cls(num_experts, top_k, renormalize)


class Router(Packed):
    """A score for each expert. Every rank has all of it."""

    weight: Weight | None

    def __init__(self, name: str, hidden_size: int, num_experts: int, ops: Ops) -> None:
        super().__init__()
        self.weight = Weight([Piece.whole(f"{name}.weight", num_experts, hidden_size)])
        self._ops = ops
        self._apply_linear: Linear | None = None

    def pack(self) -> None:
        assert self.weight is not None
        self._apply_linear = self._ops.router(self.weight)
        self.weight = None

    def forward(self, x: Tensor) -> Tensor:
        assert self._apply_linear is not None
        return self._apply_linear(x)


class Expert(Packed):
    """The weights of one expert, until they are laid out with the others'; each rank has some of
    the intermediate features."""

    gate_up: Weight | CodedWeight | None
    down: Weight | CodedWeight | None

    def __init__(
        self,
        prefix: str,
        names: ExpertNames,
        hidden_size: int,
        intermediate_size: int,
        experts: Experts,
        parallel: Parallel,
    ) -> None:
        super().__init__()
        part = parallel.share(intermediate_size, "intermediate features of an expert")
        shape = (intermediate_size, hidden_size)
        self.gate_up = Weight(
            [Piece(f"{prefix}.{name}.weight", shape, part) for name in (names.gate, names.up)],
            linear=True,
        )
        columns = None if parallel.size == 1 else part
        shape = (hidden_size, intermediate_size)
        self.down = Weight(
            [Piece(f"{prefix}.{names.down}.weight", shape, slice(0, hidden_size), columns)],
            linear=True,
        )
        self._experts = experts

    def pack(self) -> None:
        assert self.gate_up is not None
        assert self.down is not None
        self._experts.add(self.gate_up, self.down)
        self.gate_up = self.down = None


class MixtureOfExperts(nn.Module):
    """sum of factor * down(silu(gate(x)) * up(x)) over a token's experts (arXiv 2401.04088)."""

    def __init__(
        self,
        config: ModelConfig,
        prefix: str,
        ops: Ops,
        parallel: Parallel,
        *,
        routing: Routing,
        intermediate_size: int,
        names: ExpertNames,
    ) -> None:
        super().__init__()
        size = config.hidden_size
        self.routing = routing
        self._parallel = parallel
        self._apply_experts = ops.experts(routing.num_experts)
        block = f"{prefix}.{names.block}"
        self.router = Router(f"{block}.gate", size, routing.num_experts, ops)
        self.experts = nn.ModuleList(
            Expert(
                f"{block}.experts.{expert}",
                names,
                size,
                intermediate_size,
                self._apply_experts,
                parallel,
            )
            for expert in range(routing.num_experts)
        )

    def forward(self, x: Tensor, step: Any) -> Tensor:
        """[T, hidden_size] -> [T, hidden_size]."""
        mixed = self._apply_experts(
            x,
            self.router(x),
            top_k=self.routing.top_k,
            renormalize=self.routing.renormalize,
        )
        return self._parallel.all_reduce(mixed)


class MoeModel(DecoderModel):
    """A decoder with such blocks."""

    expert_names: ExpertNames

    @property
    def recordable(self) -> bool:
        """No: which experts a CPU computes depends on the tokens of the step."""
        return False

    def stored(self, weights: StoredWeights) -> StoredWeights:
        return unstacked(weights, self.expert_names)
