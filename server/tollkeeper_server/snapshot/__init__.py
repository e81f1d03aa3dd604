"""What the hot path reads: an immutable picture of the configuration."""
