"""How answers look: what is counted in them, and the covariates made of it."""
