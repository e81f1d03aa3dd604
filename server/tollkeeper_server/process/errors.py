"""Why a process of the command line can't run."""


class RunError(Exception):
    """The process can't run; the message is for people, and says why and what to do."""
