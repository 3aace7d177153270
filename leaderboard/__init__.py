"""Results of teams on the suite's environments: how sure they are, and what may be said of them. Needs numpy alone."""
