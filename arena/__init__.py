"""People judge two answers blind; Rostra says how sure it is of who is better."""
