"""Reference trainers, one algorithm a file."""
