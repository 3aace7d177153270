"""Environments of the plug-in; see pyproject.toml for how they become known."""
