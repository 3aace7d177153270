"""Coding: teams that write, test and repair programs, which run in a sandbox and are judged from outside of it."""
