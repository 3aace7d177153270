"""Flex-MG environments: teams of language models as PettingZoo AEC environments with text in and text out."""

__version__ = "0.1.0"
