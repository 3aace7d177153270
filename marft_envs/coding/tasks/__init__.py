"""Where coding tasks come from, one file per family of tasks."""
