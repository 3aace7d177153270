"""Worlds that environments of this family draw: pure functions of a generator, which know nothing of agents."""
