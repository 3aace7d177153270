"""The math family: teams that solve problems with one exact answer."""
