"""A request to the simulator, and the reading of multipart forms."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `target` is the raw path with its query. Header names are lower-case."""

    method: str
    path: str
    target: str
    query_string: bytes
    headers: Headers
    body: bytes = b""

    def header(self, name: bytes) -> str:
        """Return the first header of that name, or an empty text."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")

    def query(self, name: str) -> str:
        """Return the query parameter of that name, or an empty text."""
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True)).get(name, "")

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.header(b"content-type").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form: its fields and files by name, in order."""

    fields: dict[str, list[str]]
    files: dict[str, list[Upload]]

    def field(self, name: str) -> str:
        """Return the first field of that name, or an empty text."""
        return self.fields.get(name, [""])[0]

    def uploads(self, name: str) -> list[Upload]:
        """Return the files of that name, including those sent as `name[]`."""
        return [*self.files.get(name, []), *self.files.get(f"{name}[]", [])]


@dataclass(slots=True)
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content: list[bytes] = field(default_factory=list)


class _Collector:
    """Collects the parts that the parser reports."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.ended = False
        self._name = b""
        self._value = b""

    def begin(self) -> None:
        self.parts.append(_Part())

    def name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header(self) -> None:
        self.parts[-1].headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content.append(data[start:end])

    def end(self) -> None:
        self.ended = True


def parse_form(content_type: str, body: bytes) -> Form:
    """Return the form in `body`. Raises `ValueError` if it is not a complete multipart form."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ValueError("expected multipart/form-data with a boundary")
    found = _Collector()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": found.begin,
            "on_header_field": found.name,
            "on_header_value": found.value,
            "on_header_end": found.header,
            "on_part_data": found.data,
            "on_end": found.end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise ValueError(str(error)) from None
    if not found.ended:
        raise ValueError("the form has no closing boundary")
    form = Form({}, {})
    for part in found.parts:
        _, disposition = parse_options_header(part.headers.get(b"content-disposition", b""))
        name = disposition.get(b"name", b"").decode("utf-8", "replace")
        content = b"".join(part.content)
        if b"filename" in disposition:
            upload = Upload(
                disposition[b"filename"].decode("utf-8", "replace"),
                part.headers.get(b"content-type", b"application/octet-stream").decode("latin-1"),
                content,
            )
            form.files.setdefault(name, []).append(upload)
        else:
            form.fields.setdefault(name, []).append(content.decode("utf-8", "replace"))
    return form
