"""Collaboration: tasks where what one agent knows is not enough, and what the team knows is.

Every environment has a *silent play*, the best that a team can do whose members hear nothing of each other, and its
docstring says what that earns and how it was found. What a team earns above it, it earns by talking.
"""
