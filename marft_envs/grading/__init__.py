"""Graders: pure functions from a reply to a verdict, one module per kind of answer."""
