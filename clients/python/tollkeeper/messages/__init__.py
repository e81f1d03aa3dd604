"""Values, texts and trees as messages and back, by the messages' descriptors."""

from tollkeeper.messages.problems import MessageError, Problem, Problems
from tollkeeper.messages.walker import clear_defaults, fill, read, read_fields, write

__all__ = [
    "MessageError",
    "Problem",
    "Problems",
    "clear_defaults",
    "fill",
    "read",
    "read_fields",
    "write",
]
