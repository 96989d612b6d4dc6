"""What people preferred becomes training data, and training data an adapter.

What others begin with: `rostra.training.sft.train_sft` and `rostra.training.dpo.train_dpo`, one run
each; `rostra.training.settings.RunSettings`; `rostra.training.errors.TrainingError`.

Imports the arena's votes and ratings, and no other room: a worker loads the adapters from their
folders. Only the command line imports it.
"""
