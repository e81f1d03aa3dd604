"""The model found in a form is the one that other parsers find in it."""

import io
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from tollkeeper_server.dataplane.request.form import find_model
from tollkeeper_server.errors import TollkeeperError
from werkzeug.formparser import MultiPartParser as WerkzeugParser

BOUNDARY = b"X-7MA4YWxk"
TYPE = b"multipart/form-data; boundary=" + BOUNDARY


class _ByPythonMultipart:
    """What Starlette makes of the parser's calls."""

    def __init__(self) -> None:
        self.models: list[bytes | None] = []
        self._header, self._value, self._disposition, self._data = b"", b"", b"", b""

    def __call__(self, body: bytes) -> list[bytes | None]:
        parser = MultipartParser(
            BOUNDARY,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._header_end,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
            },
        )
        parser.write(body)
        parser.finalize()
        return self.models

    def _begin(self) -> None:
        self._disposition = self._data = b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _end(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") == b"model":
            self.models.append(None if b"filename" in options else self._data)


def _by_werkzeug(body: bytes) -> list[bytes | None]:
    # It is called by keywords alone, and would leave files open.
    parser = WerkzeugParser(stream_factory=lambda **_: io.BytesIO())  # type: ignore[arg-type]
    fields, files = parser.parse(io.BytesIO(body), BOUNDARY, len(body))
    return [it.encode() for it in fields.getlist("model")] + [None] * len(files.getlist("model"))


OTHERS: tuple[Callable[[bytes], list[bytes | None]], ...] = (
    lambda body: _ByPythonMultipart()(body),
    _by_werkzeug,
)
HEADS = [
    b'Content-Disposition: form-data; name="model"\r\n\r\n',
    b"content-disposition:form-data;name=model\r\n\r\n",
    b'Content-Disposition: form-data; name="model"; filename="f"\r\n\r\n',
    b'Content-Disposition: form-data; name="file"; filename="a\\"; name="model"\r\n\r\n',
    b'Content-Disposition: form-data; filename="a\\\\"; name="model"\r\n\r\n',
    b'Content-Disposition: form-data; name="x"; name="model"\r\n\r\n',
    b"Content-Disposition: form-data; name*=utf-8''model\r\n\r\n",
    b'Content-Disposition: form-data;\r\n name="model"\r\n\r\n',
    b'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"\r\n\r\n',
    b'Content-Disposition: form-data; name="x"\nContent-Disposition: form-data; name="model"\r\n\r\n',
    b'Content-Disposition: form-data; name="prompt"\r\n\r\n',
]
ODD = [
    *(b"--" + BOUNDARY + end for end in (b"\r\n", b" \r\n", b"--\r\n", b"--", b"\n", b"x\r\n", b"")),
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"-", b'"', b";", b":", b"\\", b"\x00", b"X: y\r\n"),
    *(b"Content-Length: 1\r\n", b"Content-Type: text/plain\r\n", b"good\r\n", b"evil\r\n", *HEADS),
]


@st.composite
def _forms(draw: st.DrawFn) -> bytes:
    """Forms, most of them wrong in one place or two."""
    pieces: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        value = draw(st.sampled_from([b"good", b"evil"]))
        pieces += [b"--" + BOUNDARY + b"\r\n", draw(st.sampled_from(HEADS)), value, b"\r\n"]
    pieces.append(b"--" + BOUNDARY + b"--\r\n")
    for _ in range(draw(st.integers(0, 2))):
        pieces.insert(draw(st.integers(0, len(pieces))), draw(st.sampled_from(ODD)))
    return b"".join(pieces)


@settings(max_examples=500)
@given(_forms() | st.lists(st.sampled_from(ODD), max_size=12).map(b"".join))
def test_other_parsers_find_the_same_model_or_none_at_all(body: bytes) -> None:
    try:
        form = find_model(body, TYPE)
    except TollkeeperError:
        return
    expected = [body[start:end] for start, end in form.places]
    for find in OTHERS:
        try:
            found = find(body)
        except (FormParserError, ValueError):
            continue  # refused there
        assert found == expected
