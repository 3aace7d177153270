"""Generated worlds: what the environments of collaboration are about, drawn from a generator alone."""
