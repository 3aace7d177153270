"""One file per family of coding tasks; the name of the file is what `source=` finds it by."""
