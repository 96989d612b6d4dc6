"""What the tests of a mixture of experts run in the kernels' process.

Weights come as bytes beside their type, because tensors of float8 cannot be pickled.
"""

from __future__ import annotations


def mix(x, router_logits, weights, weight_type, scales, options):
    from rostra.kernels.moe import mixture_of_experts

    weights = [weight.view(weight_type) for weight in weights]
    return mixture_of_experts(x, router_logits, *weights, *scales, **options)


def group(router_logits, top_k, block_m):
    """The experts of each token, and the pairs and experts of the tiles laid out for them."""
    import torch

    from rostra.kernels.chip import Chip
    from rostra.kernels.moe_routing import group_launches, route_launches
    from rostra.kernels.moe_tile import max_tiles

    num_tokens, num_experts = router_logits.shape
    factors = router_logits.new_empty(num_tokens, top_k)
    experts = torch.empty_like(factors, dtype=torch.int32)
    launches, counts = route_launches(
        router_logits,
        renormalize=True,
        factors=factors,
        experts=experts,
        chip=Chip.of(router_logits.device),
    )
    tiles = max_tiles(num_tokens * top_k, num_experts, block_m)
    pairs = torch.full((tiles * block_m,), -7, dtype=torch.int32, device=factors.device)
    tile_experts = torch.full((tiles,), -7, dtype=torch.int32, device=factors.device)
    launches += group_launches(
        experts, counts, block_m=block_m, pairs=pairs, tile_experts=tile_experts
    )
    for launch in launches:
        launch.run(router_logits.device)
    return experts, pairs, tile_experts
