"""multipart/form-data (RFC 7578): finding the model in a form, and naming it there.

Servers read odd forms differently. What is accepted here names the same model to all of them; a form in which
they might find another one is refused.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from tollkeeper_server.dataplane.request.parts import Part, malformed, options_of, read_parts
from tollkeeper_server.errors import Reason, TollkeeperError

MAX_BOUNDARY = 256
"""RFC 2046 allows 70; servers take this many."""

MAX_NAME = 1024
"""More bytes than the name of a model has, or another field that is read."""

# RFC 2046, 5.1.1. Some clients go beyond it.
_BOUNDARY = re.compile(rb"[ -~]{0,%d}[!-~]" % (MAX_BOUNDARY - 1))
_TRUE = frozenset({b"true", b"1"})
_WANTED = frozenset({b"model", b"stream", b"_charset_"})
# Frameworks take these for the same field: ASP.NET ignores case, PHP blanks, Rails brackets.
_LIKE_MODEL = re.compile(rb"\W*model(?:\W*|\W*\[.*)", re.IGNORECASE | re.DOTALL)
# As some servers find the name of a part, wherever it stands in the header.
_NAME = re.compile(rb"\bname[*0-9]*[ \t]*=[ \t]*[\"']?([^\"';]*)", re.IGNORECASE)
_UNCODED = frozenset({b"", b"7bit", b"8bit", b"binary", b"identity"})
_UTF_8 = frozenset({b"", b"utf-8", b"utf8"})
_LIKE_ASCII = frozenset({b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1", b"latin1", b"windows-1252"})
_FIELD = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n'


class FormModel(Struct, frozen=True, gc=False):
    """The model a form names, and where: each `(start, end)` in the body holds it.

    `lengths` are the places of the numbers that say how long these are, where a part has one. `streamed` says
    that the form's field `stream` is true. Its first `boundary` is at `begin`. `fields` are the names of all
    its fields that are no files.
    """

    model: str | None
    places: tuple[tuple[int, int], ...]
    streamed: bool
    boundary: bytes
    begin: int
    lengths: tuple[tuple[int, int], ...] = ()
    fields: frozenset[bytes] = frozenset()


def find_model(body: bytes, content_type: bytes) -> FormModel:
    """Find the fields `model` and `stream`.

    Raises INVALID_ARGUMENT if the form is malformed, or if servers might find another model in it.
    """
    _, options = options_of(content_type, "the request's content-type")
    boundary = _boundary(options)
    charsets = {options.get(b"charset", b"").lower()}
    places: list[tuple[int, int]] = []
    lengths: list[tuple[int, int]] = []
    streamed = False
    fields: set[bytes] = set()
    begin, parts = read_parts(body, boundary)
    for part in parts:
        name, file = _name(part)
        if not file:
            fields.add(name)
        if name not in _WANTED or (file and name != b"model"):
            continue
        value = body[part.start : min(part.end, part.start + MAX_NAME + 1)]
        match name:
            case b"stream":
                streamed |= value.strip().lower() in _TRUE
            case b"_charset_":
                charsets.add(value.strip().lower())
            case _:
                if len(value) > MAX_NAME:
                    raise _wrong_model(f"model is longer than {MAX_NAME:,} bytes; give the name of one")
                charsets |= set(_check_field(part, is_file=file))
                places.append((part.start, part.end))
                if part.length is not None:
                    lengths.append(part.length)
    model = _model(body, places, charsets)
    return FormModel(model, tuple(places), streamed, boundary, begin, tuple(lengths), frozenset(fields))


def name_model(body: bytes, form: FormModel, name: str) -> bytes:
    """Return the form with this model, and not a byte changed besides."""
    return b"".join(name_in_parts(body, form, name))


def name_in_parts(body: bytes, form: FormModel, name: str) -> tuple[bytes | memoryview, ...]:
    """Return what `name_model` does, in parts that have the bytes of `body` in common with it."""
    written, view = name.encode(), memoryview(body)
    if not form.places:
        return view[: form.begin], _FIELD % (form.boundary, written), view[form.begin :]
    changes = [(*place, written) for place in form.places]
    changes += [(*place, b"%d" % len(written)) for place in form.lengths]
    pieces: list[bytes | memoryview] = []
    at = 0
    for start, end, value in sorted(changes):
        pieces += (view[at:start], value)
        at = end
    return *pieces, view[at:]


def _boundary(options: Mapping[bytes, bytes]) -> bytes:
    boundary = options.get(b"boundary")
    if not boundary:
        raise malformed("its content-type has no boundary")
    if not _BOUNDARY.fullmatch(boundary):
        raise malformed(
            f"its boundary must have 1 to {MAX_BOUNDARY} printable ASCII characters and end in no space"
        )
    return boundary


def _name(part: Part) -> tuple[bytes, bool]:
    """Return the name of a part, and whether it is a file."""
    disposition = part.headers.get(b"content-disposition", b"")
    kind, options = options_of(disposition, "a part's content-disposition")
    name = options.get(b"name", b"")
    if kind != b"form-data" or not name:
        raise malformed("each part needs a content-disposition of form-data with a name")
    if b"\\" in name or b"=?" in name:
        raise malformed("the name of a part is encoded; give it as it is")
    if name != b"model" and _LIKE_MODEL.fullmatch(name):
        raise _wrong_model("the form has a part whose name is nearly model; name it `model`")
    names = _NAME.findall(disposition)
    if len(names) > 1 and any(map(_LIKE_MODEL.fullmatch, names)):
        raise _wrong_model("the form has a part that gives its name twice, as model and otherwise")
    return name, not options.keys().isdisjoint((b"filename", b"filename*"))


def _check_field(part: Part, *, is_file: bool) -> Iterator[bytes]:
    """Refuse a part `model` that not all servers take for a field. Yield its charsets."""
    if is_file:
        raise _wrong_model("model has a file name; send it as a field without one")
    for header in (b"content-transfer-encoding", b"content-encoding"):
        if part.headers.get(header, b"").lower() not in _UNCODED:
            raise _wrong_model(f"model has a {header.decode()}; send it as it is")
    media, options = options_of(part.headers.get(b"content-type", b"text/plain"), "a part's content-type")
    if media.startswith(b"multipart/"):
        raise _wrong_model("model consists of parts; send it as text")
    yield options.get(b"charset", b"").lower()


def _model(body: bytes, places: list[tuple[int, int]], charsets: set[bytes]) -> str | None:
    if not charsets <= _UTF_8 | _LIKE_ASCII:
        raise malformed("its charset is not one that is read here; send UTF-8")
    names = {body[start:end] for start, end in places}
    if len(names) > 1:
        raise _wrong_model("the form names several models; give one")
    if not names:
        return None
    name = names.pop()
    if not (name.isascii() or charsets <= _UTF_8):
        raise _wrong_model("model is not in UTF-8; send it with that charset")
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise _wrong_model("model is not UTF-8") from error


def _wrong_model(why: str) -> TollkeeperError:
    return TollkeeperError(Reason.INVALID_ARGUMENT, why, field="model")
