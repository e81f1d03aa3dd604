"""multipart/form-data (RFC 7578): finding the model in a form, and renaming it in place."""

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tollkeeper_server.errors import Reason, TollkeeperError

_MAX_PARTS = 1000


@dataclass(frozen=True, slots=True)
class FormModel:
    """The model a form names, and where: each `(start, end)` in the body holds it.

    `streamed` says that its field `stream` is true.
    """

    model: str | None
    places: tuple[tuple[int, int], ...]
    streamed: bool


@dataclass(slots=True)
class _Reader:
    """Follows the parser. Offsets are absolute, because the body is given to it in one piece."""

    header_name: bytes = b""
    header_value: bytes = b""
    part: bytes | None = None
    span: tuple[int, int] | None = None
    parts: int = 0
    ended: bool = False
    spans: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)

    def part_begin(self) -> None:
        self.parts += 1
        if self.parts > _MAX_PARTS:
            raise _malformed(f"it has more than {_MAX_PARTS} parts")
        self.part, self.span = None, None

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.header_value += data[start:end]

    def header_end(self) -> None:
        if self.header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self.header_value)
            if b"filename" not in options:
                self.part = options.get(b"name")
        self.header_name = self.header_value = b""

    def part_data(self, _data: bytes, start: int, end: int) -> None:
        if self.part in _WANTED:
            self.span = (self.span[0] if self.span else start, end)

    def part_end(self) -> None:
        if self.part in _WANTED:
            self.spans.setdefault(self.part, []).append(self.span or (0, 0))

    def end(self) -> None:
        self.ended = True


_WANTED = {b"model", b"stream"}


def find_model(body: bytes, content_type: bytes) -> FormModel:
    """Find the fields `model` and `stream`. Raises INVALID_ARGUMENT if the form is malformed."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise _malformed("its content-type has no boundary")
    reader = _Reader()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reader.part_begin,
            "on_part_data": reader.part_data,
            "on_part_end": reader.part_end,
            "on_header_field": reader.on_header_field,
            "on_header_value": reader.on_header_value,
            "on_header_end": reader.header_end,
            "on_end": reader.end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise _malformed("it does not follow RFC 7578") from error
    if not reader.ended:
        raise _malformed("its last boundary is missing")
    places = tuple(reader.spans.get(b"model", ()))
    names = {body[start:end] for start, end in places}
    if len(names) > 1:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, "the form names several models; give one", field="model"
        )
    try:
        model = names.pop().decode() if names else None
    except UnicodeDecodeError as error:
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "model is not UTF-8", field="model") from error
    streamed = any(
        body[start:end].strip().lower() in {b"true", b"1"} for start, end in reader.spans.get(b"stream", ())
    )
    return FormModel(model, places, streamed)


def rename_model(body: bytes, form: FormModel, name: str) -> bytes:
    """Return the form with its model renamed, and not a byte changed besides."""
    pieces: list[bytes] = []
    at = 0
    for start, end in form.places:
        pieces += (body[at:start], name.encode())
        at = end
    return b"".join((*pieces, body[at:]))


def _malformed(why: str) -> TollkeeperError:
    return TollkeeperError(
        Reason.INVALID_ARGUMENT,
        f"the request's body is not a form that can be read: {why}",
        field="body",
    )
