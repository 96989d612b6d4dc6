"""What the tests of quantised weights run in the kernels' process.

Weights come as bytes beside their type, because tensors of float8 cannot be pickled.
"""

from __future__ import annotations


def multiply(x, weight, weight_type, scale, bias):
    from rostra.kernels.quantized_matmul import quantized_matmul

    return quantized_matmul(x, weight.view(weight_type), scale, bias)


def dequantize(weight, weight_type, scale, dtype):
    from rostra.kernels.quantized_matmul import dequantize

    return dequantize(weight.view(weight_type), scale, dtype)


def multiply_in_splits(x, weight, weight_type, scale, bias, *, num_splits):
    """`quantized_matmul` with the depth split into `num_splits`, however short it is."""
    from rostra.kernels.chip import Chip
    from rostra.kernels.quantized_matmul import quantized_matmul_launches

    weight = weight.view(weight_type)
    out = x.new_empty(x.shape[0], weight.shape[0])
    launches = quantized_matmul_launches(
        x, weight, scale, bias, out=out, chip=Chip.of(x.device), num_splits=num_splits
    )
    assert len(launches) == 2
    for launch in launches:
        launch.run(x.device)
    return out
