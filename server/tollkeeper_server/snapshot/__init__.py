"""The snapshot: an immutable form of the configuration that the hot path reads."""
