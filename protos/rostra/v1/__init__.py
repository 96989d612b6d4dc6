"""The wire contract of Rostra, generated from the `.proto` files beside this one.

Regenerate with `make stubs`; never edit the generated modules.
"""
