"""Triton kernels for serving language models, each with a plain PyTorch reference."""
