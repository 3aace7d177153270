"""Bookkeeping: a folder per run with records, checkpoints and a learning curve; intervals of evaluations."""
