"""A thread that steps back: other threads get the core before it."""

import ctypes
import os
import platform
import sys

_NICENESS = 10
# However nice the running thread is, one that wakes up waits until its slice is over (Linux's EEVDF):
# the usual slices are milliseconds, several requests long. This is the least that the kernel takes.
_SLICE_NS = 100_000
# Not every C library has a function for it, and the number differs by machine.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_KEEP_POLICY = 8  # the process may have been started with one


class _Attributes(ctypes.Structure):
    """`struct sched_attr` as it first was (sched_setattr(2))."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def step_back() -> None:
    """Make the calling thread nice, and its slices short from Linux 6.12 on; do nothing elsewhere."""
    if sys.platform != "linux":  # where each thread has a niceness of its own
        return
    size, niceness = ctypes.sizeof(_Attributes), os.nice(_NICENESS)
    attributes = _Attributes(size=size, flags=_KEEP_POLICY, nice=niceness, runtime=_SLICE_NS)
    number = _SCHED_SETATTR.get(platform.machine())
    if (
        number is not None
    ):  # an older kernel ignores the slice; without the right to set it, the thread is only nice
        ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0)
