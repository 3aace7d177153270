"""What the worlds of the environments are made of: things, places and people, and how they are drawn."""
