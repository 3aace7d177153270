"""Where coding tasks come from: one file for each source, found by its name. Nothing else is touched to add one."""
