"""Triton kernels for serving language models, each with a plain PyTorch reference.

`rostra.kernels.paged_attention`, `.rope_cache`, `.rms_norm`, `.activation`, `.quantized_matmul`
and `.sampling` hold the public functions; `rostra.kernels.reference` holds the same functions, with
the same signatures, in plain PyTorch; those of `.lora` and `.moe` are in `.lora_reference`
and `.moe_reference`.
`rostra.kernels.quantize` makes the weights that `.quantized_matmul` takes. Importing this package
imports neither torch nor triton.

To add a kernel:

1. Write the reference in `reference.py`; it defines what the kernel must compute.
2. Write `<name>.py`: the kernel, `<name>_launches(..., chip)`, which decides grid, constants and
   warps from shapes alone, and the public function, which checks its arguments and runs those.
3. Yield its launches from `variants.py`, so that it is compiled ahead of time for every chip.
4. Compare it with the reference in `tests/kernels/`; the same tests run on a GPU with `-m gpu`.
"""
