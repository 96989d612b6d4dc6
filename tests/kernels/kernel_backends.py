"""Two ways to run a kernel: Triton's interpreter in a process of its own, or a real GPU.

TRITON_INTERPRET must be set before triton is first imported, and holds for the whole process, which
here also runs everybody else's tests. So the interpreter lives in a child, started by a module that
imports neither torch nor triton.
"""

from __future__ import annotations

import importlib
import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor


def call(function, device, args, kwargs):
    """Run `module.function` on `device`; everything in and out lies on the CPU.

    Returns what it returned, and the arguments as it left them.
    """
    import torch

    def move(value, to):
        if isinstance(value, list | tuple):
            return [move(each, to) for each in value]
        return value.to(to) if isinstance(value, torch.Tensor) else value

    module, name = function.rsplit(".", 1)
    args = [move(value, device) for value in args]
    kwargs = {key: move(value, device) for key, value in kwargs.items()}
    result = getattr(importlib.import_module(module), name)(*args, **kwargs)
    return move(result, "cpu"), [move(value, "cpu") for value in args]


class Gpu:
    device = "cuda"

    def __call__(self, function, *args, **kwargs):
        return call(function, self.device, args, kwargs)

    def close(self):
        pass


class Interpreter:
    device = "cpu"

    def __init__(self):
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_interpret)

    def __call__(self, function, *args, **kwargs):
        # Bytes, because torch would otherwise hand the child this process's own memory.
        request = _to_bytes((function, self.device, args, kwargs))
        return _from_bytes(self._pool.submit(_call_with_bytes, request).result())

    def close(self):
        self._pool.shutdown()


def _call_with_bytes(request):
    return _to_bytes(call(*_from_bytes(request)))


def _to_bytes(value):
    import torch

    # Plain pickling does not know the float types of one byte.
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _from_bytes(data):
    import torch

    return torch.load(io.BytesIO(data), weights_only=False)


def _interpret():
    os.environ["TRITON_INTERPRET"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    _teach_dot_bfloat16()
    _teach_rounding_fp8()
    _hasten()


def _hasten():
    """Most of the interpreter's time goes into what these tests do not need done again."""
    from triton.runtime import interpreter

    stock = interpreter.InterpretedFunction.__call__
    patched = set()

    def call_nested(self, *args, **kwargs):
        # Stock: looks through the whole language for what to patch. The kernel has done that for
        # itself, and Triton's own modules keep it.
        module = self.fn.__module__
        if module.startswith("triton.") and module not in patched:
            patched.add(module)
            return stock(self, *args, **kwargs)
        return self.rewrite()(*args, **kwargs)

    interpreter.InterpretedFunction.__call__ = call_nested
    # Stock: computes every sum and product of integers once more, in 64 bits.
    interpreter.interpreter_builder.options = interpreter.InterpreterOptions(
        sanitize_overflow=False
    )


def _teach_dot_bfloat16():
    """The interpreter keeps bfloat16 as bit patterns, and multiplies those as integers."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder

    dot = InterpreterBuilder.create_dot

    def widen(self, x):
        return self.cast_impl(x, tl.float32) if x.dtype.scalar == tl.bfloat16 else x

    def create_dot(self, a, b, d, input_precision, max_num_imprecise_acc):
        a, b = widen(self, a), widen(self, b)
        return dot(self, a, b, d, input_precision, max_num_imprecise_acc)

    InterpreterBuilder.create_dot = create_dot


def _teach_rounding_fp8():
    """The interpreter loses the carry into the exponent (127.9 becomes 64), and NaN."""
    import torch
    from triton.runtime import interpreter

    stock = interpreter._convert_float

    def convert(data, source, target, rounding):
        if source.is_fp32() and target.is_fp8e4nv():
            return torch.from_numpy(data).to(torch.float8_e4m3fn).view(torch.uint8).numpy()
        return stock(data, source, target, rounding)

    interpreter._convert_float = convert


# What the tests run in the kernels' process beside the public functions.


def attend_in_segments(*args, capacity, **options):
    """`paged_attention` with the keys split into some `capacity` segments, however short."""
    from rostra.kernels.chip import Chip
    from rostra.kernels.paged_attention import paged_attention_launches

    query = args[0]
    out = options.pop("out", None)
    out = query.new_empty(query.shape) if out is None else out
    absent = {"sliding_window": None, "soft_cap": None, "key_scale": 1.0, "value_scale": 1.0}
    for launch in paged_attention_launches(
        *args,
        out=out,
        chip=Chip.of(query.device),
        capacity=capacity,
        segment_tokens=1,
        **{**absent, **options},
    ):
        launch.run(query.device)
    return out


def attend_far_away(device, dtype):
    """The largest error of attention over a page more than 2^31 elements into the cache."""
    import torch

    from rostra.kernels import reference
    from rostra.kernels.paged_attention import paged_attention

    page, head_size = 16, 64
    num_pages = 2**31 // (page * head_size) + 2
    # Never written but for one page, so that a CPU has no memory behind it.
    cache = torch.empty(num_pages, page, 1, head_size, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    cache[-1] = torch.randn(page, 1, head_size, generator=generator)
    query = torch.randn(1, 1, head_size, generator=generator).to(device, dtype)
    args = (
        query,
        cache,
        cache,
        torch.tensor([[num_pages - 1]], dtype=torch.int32, device=device),
        torch.tensor([0, 1], dtype=torch.int32, device=device),
        torch.tensor([page], dtype=torch.int32, device=device),
    )
    options = {"scale": head_size**-0.5, "max_query_len": 1, "max_seq_len": page}
    actual = paged_attention(*args, **options)
    return (actual - reference.paged_attention(*args, **options)).abs().max().item()
