"""What follows from a posterior: each a pure function from it to a frozen result, one to a file.

Nothing here samples from the model or reads a file. A result holds arrays by the order of
`Posterior.contestants`; NaN stands where the votes say nothing, and `Posterior.linked` tells where.
"""
