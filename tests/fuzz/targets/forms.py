"""Forms of callers: the model that is found is the one that other parsers find, and can be renamed."""

import logging
from collections.abc import Sequence
from random import Random
from typing import ClassVar

from python_multipart.exceptions import FormParserError
from tollkeeper_server.dataplane.request.form import find_model, name_model
from tollkeeper_server.dataplane.request.parts import MAX_PARTS, read_parts
from tollkeeper_server.errors import TollkeeperError

from tests.fuzz.target import Target, outcome
from tests.unit.dataplane.request.test_form_agrees import BOUNDARY, OTHERS, TYPE

_FILLED = 0.02
_PART = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'


class Forms(Target):
    """`dataplane/request/form.py` and `parts.py`."""

    name: ClassVar[str] = "forms"
    words: ClassVar[Sequence[bytes]] = (
        b"--" + BOUNDARY, b"--" + BOUNDARY + b"--", b"\r\n--" + BOUNDARY + b"\r\n", b"\r\n", b"\r\n\r\n",
        b"--", b"\n", b'Content-Disposition: form-data; name="model"\r\n\r\n', b'name="stream"',
        b"filename=", b'name="_charset_"', b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Content-Length: 2\r\n", b"form-data", b"name*=", b";", b'"', b"\\", b"model[]",
        b"Content-Transfer-Encoding: base64\r\n", b"{", b" ",
    )  # fmt: skip

    def __init__(self) -> None:
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it tells of all that it refuses

    def check(self, data: bytes, random: Random) -> str:
        """Find the model as others do, and name another."""
        try:
            form = find_model(data, TYPE)
        except TollkeeperError as error:
            return outcome(error)
        for read in OTHERS:
            try:
                found = read(data)
            except (FormParserError, ValueError) as error:
                return f"another refuses it: {type(error).__name__}"
            expected = [data[start:end] for start, end in form.places]
            assert found == expected, f"another parser finds {found}, this one {expected}"
        if random.random() < _FILLED:
            _check_bound(data)
        renamed = name_model(data, form, "another")
        assert find_model(renamed, TYPE).model == "another"
        return f"{form.streamed} {form.model is None} {len(form.places)} {len(form.lengths)}"


def _check_bound(data: bytes) -> None:
    """Hold a form that was read to what it says with as many parts as it may have, and with one more."""
    begin, parts = read_parts(data, BOUNDARY)
    more = MAX_PARTS - len(list(parts))
    full = data[:begin] + more * _PART + data[begin:]
    assert find_model(full, TYPE).model == find_model(data, TYPE).model
    over = _refusal(data[:begin] + (more + 1) * _PART + data[begin:])
    assert str(MAX_PARTS) in over, f"{MAX_PARTS + 1} parts were read: {over}"


def _refusal(data: bytes) -> str:
    try:
        find_model(data, TYPE)
    except TollkeeperError as error:
        return error.message
    return ""
