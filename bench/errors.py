"""What keeps a run from going on."""


class BenchError(Exception):
    """The bench can't go on; the message says why and what to do."""
