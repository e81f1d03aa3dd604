"""The error that ends a run."""


class BenchError(Exception):
    """The bench can't continue; the message has the reason and the remedy."""
