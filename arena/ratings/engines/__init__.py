"""Ways from a model of the votes to draws from its posterior."""
