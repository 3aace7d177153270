"""The worlds that collaboration takes place in: what environments draw, and how agents' commands are read."""
