"""From requests of REST to requests of rostra.v1. What is unset stays unset."""
