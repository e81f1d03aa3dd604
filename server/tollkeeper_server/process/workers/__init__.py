"""Several processes of one gateway: a supervisor, one that controls, and workers that serve callers."""
