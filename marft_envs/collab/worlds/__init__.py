"""Worlds that environments of this family draw: pure functions of a generator, which know nothing of agents."""

"""What the worlds of the environments are made of: things, places and people, and how they are drawn."""
