"""Where replies come from, one engine a file."""
