"""What errors of the system say has run out."""

import errno

import pytest
from tollkeeper_server.domain.shortage import Shortage, ShortageError, shortage_in


@pytest.mark.parametrize(
    ("error", "shortage"),
    [
        (OSError(errno.EMFILE, "x"), Shortage.DESCRIPTORS),
        (OSError(errno.ENFILE, "x"), Shortage.DESCRIPTORS),
        (OSError(errno.ENOBUFS, "x"), Shortage.MEMORY),
        (OSError(errno.ENOMEM, "x"), Shortage.MEMORY),
        (RuntimeError("can't start new thread"), Shortage.THREADS),
        (ShortageError(Shortage.LOOK_UPS), Shortage.LOOK_UPS),
        (OSError(errno.ECONNREFUSED, "x"), None),
        (OSError(errno.EADDRNOTAVAIL, "x"), None),
        (OSError("without a number"), None),
        (RuntimeError("x"), None),
    ],
)
def test_only_what_this_machine_lacks_is_a_shortage(error: Exception, shortage: Shortage | None) -> None:
    assert shortage_in(error) is shortage


@pytest.mark.parametrize("shortage", list(Shortage))
def test_every_shortage_has_words_for_people(shortage: Shortage) -> None:
    assert shortage.text in str(ShortageError(shortage))
