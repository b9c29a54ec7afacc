"""Property-based scenarios; one file each.  Run them with ``simworld hunt``."""
