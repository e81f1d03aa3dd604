"""Finding the model in a form, and naming it there. The standard library's parser checks it."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.form import find_model, name_model
from tollkeeper_server.dataplane.request.peek import peek_form
from tollkeeper_server.errors import Reason, TollkeeperError

BOUNDARY = "X-7MA4YWxk"
TYPE = f"multipart/form-data; boundary={BOUNDARY}".encode()


def _part(name: str, value: bytes, *, filename: str | None = None, extra: str = "") -> bytes:
    of_file = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n{extra}\r\n'
    return head.encode() + value + b"\r\n"


def _form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def _independently(body: bytes) -> list[tuple[str, bytes]]:
    document = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + TYPE + b"\r\n\r\n" + body)
    found = []
    for part in document.iter_parts():
        assert isinstance(part, EmailMessage)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found.append((str(part.get_param("name", header="content-disposition")), payload))
    return found


def test_model_and_stream_are_found() -> None:
    body = _form(
        _part("file", b"\x00RIFF", filename="a.wav"), _part("model", b"whisper-1"), _part("stream", b"True")
    )

    form = find_model(body, TYPE)

    assert form.model == "whisper-1"
    assert form.streamed
    assert [body[start:end] for start, end in form.places] == [b"whisper-1"]


@pytest.mark.parametrize("value", [b"false", b"0", b"", b"no"])
def test_a_stream_must_be_asked_for(value: bytes) -> None:
    assert not find_model(_form(_part("model", b"m"), _part("stream", value)), TYPE).streamed


def _with_head(head: str, value: bytes = b"m") -> bytes:
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + value + b"\r\n" + _form()


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ('Content-Disposition: form-data; name="model"', "m"),
        ('Content-Disposition: form-data; name="model";', "m"),
        ("content-disposition:form-data;name=model", "m"),
        ("content-disposition:\tform-data;name=model", "m"),
        ('CONTENT-DISPOSITION: FORM-DATA; NAME="model"', "m"),
        ('Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"', "m"),
        ('Content-Disposition: form-data; name="model"\r\nContent-Type: application/json', "m"),
        ('Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: binary', "m"),
        ('Content-Disposition: form-data; name="model"\r\nContent-Length: 1', "m"),
        ('Content-Disposition: form-data; name="models"', None),
        ('Content-Disposition: form-data; name="model_id"', None),
        ('Content-Disposition: form-data; name="file"; filename="model"', None),
        ('Content-Disposition: form-data; name="file"; filename="a\\"b; c.wav"', None),
        ('Content-Disposition: form-data; name="file"; filename="my name=x.wav"', None),
        ('Content-Disposition: form-data; name="file"; filename="name=model.wav"', None),
        ("Content-Disposition: form-data; name=file; filename=a.wav; filename*=utf-8''%C3%A4.wav", None),
        ('Content-Disposition: form-data; name="file"; filename="a"\r\nX-Other: form-data; name=model', None),
        ('Content-Disposition: form-data; name="x"\r\nContent-Transfer-Encoding: base64', None),
    ],
)
def test_only_the_field_itself_counts(head: str, found: str | None) -> None:
    assert found == find_model(_with_head(head), TYPE).model


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ('Content-Disposition: form-data; name="model"; filename="model"', "has a file name"),
        ('Content-Disposition: form-data; name="model"; filename=""', "has a file name"),
        ("Content-Disposition: form-data; name=\"model\"; filename*=utf-8''a", "has a file name"),
        ('Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: base64', "encoding"),
        ('Content-Disposition: form-data; name="model"\r\nContent-Encoding: gzip', "encoding"),
        (
            'Content-Disposition: form-data; name="model"\r\nContent-Type: multipart/mixed',
            "consists of parts",
        ),
        (
            'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=utf-16',
            "charset",
        ),
        ('Content-Disposition: form-data; name="Model"', "nearly model"),
        ('Content-Disposition: form-data; name=" model"', "nearly model"),
        ('Content-Disposition: form-data; name="model[]"', "nearly model"),
        ("Content-Disposition: form-data; name='model'", "nearly model"),
        ("Content-Disposition: form-data; name*=utf-8''model", "name\\*"),
        ('Content-Disposition: form-data; name*0="mod"; name*1="el"', "forms can't have"),
        ('Content-Disposition: form-data; name="mod\\el"', "encoded"),
        ('Content-Disposition: form-data; name="=?utf-8?q?model?="', "encoded"),
        ('Content-Disposition: form-data; name="x"; name="model"', "twice"),
        ('Content-Disposition: form-data; filename="a\\\\"; name="x"; b="; name=model"', "twice"),
        ('Content-Disposition: form-data; filename="a; name=model"; name="x"', "twice"),
        ('Content-Disposition: form-data; name="a\\"; name=model"', "encoded"),
        (
            'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"',
            "content-disposition twice",
        ),
        ('Content-Disposition: form-data; name="x"\r\nContent-Type: a/b\r\ncontent-type: c/d', "twice"),
        ('Content-Disposition: form-data; name="x"\nContent-Disposition: form-data; name="model"', "control"),
        ('Content-Disposition: form-data;\r\n name="model"', "folded"),
        ('Content-Disposition : form-data; name="model"', "no name"),
        ('Content-Disposition: attachment; name="model"', "form-data with a name"),
        ("Content-Disposition: form-data", "form-data with a name"),
        ("X-Other: form-data; name=model", "can't be read"),
        ('Content-Disposition: form-data; name="x"\r\nContent-Length: 2', "content-length"),
        ('Content-Disposition: form-data; name="model', "quotes"),
        ("Content-Disposition: form-data; name=mo del", "quotes"),
    ],
)
def test_a_part_that_servers_read_differently_is_refused_with_the_reason(head: str, why: str) -> None:
    with pytest.raises(TollkeeperError, match=why) as caught:
        find_model(_with_head(head), TYPE)
    assert caught.value.outcome.http == 400


def test_the_headers_of_a_part_are_bounded() -> None:
    head = 'Content-Disposition: form-data; name="model"\r\nX: '
    assert find_model(_with_head(head + "x" * 15_000), TYPE).model == "m"
    with pytest.raises(TollkeeperError, match="more than 16,384 bytes"):
        find_model(_with_head(head + "x" * 17_000), TYPE)


def _around(boundary: bytes, first: bytes, between: bytes, last: bytes) -> bytes:
    """A form of two fields, with these bytes before and in place of what ends each boundary's line."""
    field = b'Content-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    dashes = b"--" + boundary
    pieces = (
        first,
        dashes,
        between,
        field % (b"model", b"m"),
        dashes,
        between,
        field % (b"x", b""),
        dashes,
        last,
    )
    return b"".join(pieces)


@pytest.mark.parametrize("first", [b"", b"\r\n", b"\r\n\r\n", b"This is a message of several parts.\r\n"])
@pytest.mark.parametrize("between", [b"\r\n", b" \r\n", b"\t \r\n"])
@pytest.mark.parametrize(
    "last", [b"--", b"--\r\n", b"--\n", b"-- \t\r\n", b"--\r\nAn epilogue.", b"--\r\n\r\nx: y\r\n\r\nz"]
)
def test_a_preamble_blanks_after_a_boundary_and_an_epilogue_are_read(
    first: bytes, between: bytes, last: bytes
) -> None:
    body = _around(BOUNDARY.encode(), first, between, last)

    form = find_model(body, TYPE)

    assert form.model == "m"
    assert name_model(body, form, "other") == body.replace(b"\r\nm\r\n", b"\r\nother\r\n")


@pytest.mark.parametrize(
    ("first", "between", "last"),
    [
        (b"", b"\n", b"--"),
        (b"", b"\r", b"--"),
        (b"", b"\x0b\r\n", b"--"),
        (b"", b"\r\n", b""),
        (b"", b"\r\n", b"-"),
        (b"", b"\r\n", b"--x"),
        (b"", b"\r\n", b"--\r"),
        (b"", b"xyz\r\n", b"--"),
        (b"\n", b"\r\n", b"--"),
        (b"text", b"\r\n", b"--"),
        (b"--X-7MA4YWxk and\r\n", b"\r\n", b"--"),
        (b"\r\nx--X-7MA4YWxk\r\n", b"\r\n", b"--"),
        (b"", b"\r\n", b"--\r\n--X-7MA4YWxk\r\n"),
        (b"", b"\r\n", b"--\r\n--X-7MA4YWxk--\r\n"),
        (b'Content-Disposition: form-data; name="x"\r\n\r\nevil\r\n', b"\r\n", b"--"),
        (b"", b"\r\n", b'--\r\ncontent-disposition: form-data; name="model"\r\n\r\nevil\r\n'),
        (b'{"model":"evil"}\r\n', b"\r\n", b"--"),
        (b'\xef\xbb\xbf \r\n\t{"model":"evil"}\r\n', b"\r\n", b"--"),
    ],
)
def test_boundaries_that_servers_find_in_different_places_are_refused(
    first: bytes, between: bytes, last: bytes
) -> None:
    with pytest.raises(TollkeeperError) as caught:
        find_model(_around(BOUNDARY.encode(), first, between, last), TYPE)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("value", [b"x\n--%b\r\ny", b"x\r--%b--", b"x--%b\r\ny", b"x\r\n--%byz\r\n", b"--%b"])
def test_a_boundary_within_a_part_is_refused(value: bytes) -> None:
    with pytest.raises(TollkeeperError):
        find_model(_form(_part("file", value % BOUNDARY.encode(), filename="f"), _part("model", b"m")), TYPE)


@pytest.mark.parametrize(
    "boundary", ["x" * 70, "x" * 256, "'()+_,-./:=? a", "----", "a--b", "a;b", "=_Part_0=="]
)
def test_long_and_strange_boundaries_are_read(boundary: str) -> None:
    content_type = f'multipart/form-data; boundary="{boundary}"'.encode()

    assert find_model(_around(boundary.encode(), b"", b"\r\n", b"--\r\n"), content_type).model == "m"


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii", "iso-8859-1"])
def test_charsets_in_which_the_model_reads_the_same_are_taken(charset: str) -> None:
    content_type = TYPE + f"; charset={charset}".encode()

    assert find_model(_form(_part("model", b"m"), _part("_charset_", b"utf-8")), content_type).model == "m"


@pytest.mark.parametrize(
    ("content_type", "fields"),
    [
        (TYPE + b"; charset=utf-16", [("file", b"x")]),
        (TYPE + b"; charset=cp037", [("x", b"m")]),
        (TYPE + b"; charset=iso-8859-1", [("model", "\u00e9".encode())]),
        (TYPE, [("model", b"m"), ("_charset_", b"utf-16")]),
    ],
)
def test_other_charsets_are_refused(content_type: bytes, fields: list[tuple[str, bytes]]) -> None:
    with pytest.raises(TollkeeperError, match=r"charset|UTF-8"):
        find_model(_form(*[_part(name, value) for name, value in fields]), content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        f'multipart/form-data; boundary="{BOUNDARY}"'.encode(),
        f"multipart/form-data; charset=utf-8; BOUNDARY={BOUNDARY}".encode(),
        f'multipart/form-data; x="a;boundary=no"; boundary={BOUNDARY}'.encode(),
    ],
)
def test_the_boundary_is_found_as_headers_say_it(content_type: bytes) -> None:
    assert find_model(_form(_part("model", b"m")), content_type).model == "m"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (_form(_part("model", b"m")), b"multipart/form-data"),
        (_form(_part("model", b"m")), b"multipart/form-data; boundary="),
        (_form(_part("model", b"m")), b'multipart/form-data; boundary="'),
        (_form(_part("model", b"m")), b"multipart/form-data; boundary=other"),
        (_form(_part("model", b"m")), b"multipart/form-data; boundary=" + b"x" * 257),
        (_form(_part("model", b"m")), b'multipart/form-data; boundary="X-7MA4YWxk "'),
        (_form(_part("model", b"m")), b"multipart/form-data; boundary=other; boundary=X-7MA4YWxk"),
        (_form(_part("model", b"m")), b"multipart/form-data; boundary=other; boundary*=utf-8''X-7MA4YWxk"),
        (_form(_part("model", b"m")), b"multipart/form-data; boundary=X-7MA4YWxk, multipart/form-data"),
        (_part("model", b"m"), TYPE),
        (_part("model", b"m")[:-10], TYPE),
        (b"", TYPE),
        (b"\x00", TYPE),
        (b"--" + BOUNDARY.encode() + b"\r\nno colon\r\n\r\nm\r\n" + _form(), TYPE),
    ],
)
def test_a_malformed_form_is_told_so(body: bytes, content_type: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        find_model(body, content_type)
    assert Reason.INVALID_ARGUMENT is caught.value.reason


def test_the_number_of_parts_is_bounded() -> None:
    field = _part("a", b"")
    assert find_model(_form(*[field] * 999, _part("model", b"m")), TYPE).model == "m"
    with pytest.raises(TollkeeperError, match="more than 1000 parts"):
        find_model(_form(*[field] * 1000, _part("model", b"m")), TYPE)


def test_several_models_are_refused_unless_they_agree() -> None:
    assert find_model(_form(_part("model", b"a"), _part("model", b"a")), TYPE).model == "a"
    with pytest.raises(TollkeeperError, match="several models"):
        find_model(_form(_part("model", b"a"), _part("model", b"b")), TYPE)


@pytest.mark.parametrize("value", [b"", b"\xff", b"a\x00", b"a\r\nb", b"a" * 257])
def test_a_model_that_can_be_none_is_refused(value: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        peek_form(_form(_part("model", value)), TYPE)
    assert caught.value.field == "model"


@given(
    before=st.lists(
        st.tuples(st.sampled_from(["file", "prompt", "stream"]), st.binary(max_size=40)), max_size=3
    ),
    after=st.lists(st.tuples(st.sampled_from(["file", "language"]), st.binary(max_size=40)), max_size=3),
    old=st.text("abc-.0", min_size=1, max_size=12),
    new=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.isprintable),
    twice=st.booleans(),
)
def test_renaming_changes_the_model_and_nothing_else(
    before: list[tuple[str, bytes]], after: list[tuple[str, bytes]], old: str, new: str, twice: bool
) -> None:
    model = [("model", old.encode())]
    fields = [*before, *model, *after, *(model if twice else [])]
    parts = [_part(n, v, filename="f" if n == "file" else None) for n, v in fields]
    body = _form(*parts)

    form = find_model(body, TYPE)
    changed = name_model(body, form, new)

    assert old == form.model
    renamed = _part("model", new.encode())
    assert (
        _form(*[renamed if n == "model" else part for (n, _), part in zip(fields, parts, strict=True)])
        == changed
    )
    if all(value.isascii() and b"\r" not in value and b"\n" not in value for _, value in fields):
        expected = [(n, new.encode() if n == "model" else v) for n, v in fields]
        assert expected == _independently(changed)


def test_a_renamed_model_is_as_long_as_its_part_says() -> None:
    body = _form(_part("model", b"old", extra="Content-Length: 3\r\nX: y\r\n"), _part("x", b"old"))
    changed = name_model(body, find_model(body, TYPE), "longer-one")

    renamed = _part("model", b"longer-one", extra="Content-Length: 10\r\nX: y\r\n")
    assert changed == _form(renamed, _part("x", b"old"))
    assert find_model(changed, TYPE).model == "longer-one"


def test_a_model_is_written_into_a_form_without_one() -> None:
    body = b"preamble\r\n" + _form(_part("file", b"x", filename="f"))
    changed = name_model(body, find_model(body, TYPE), "m")

    assert changed == b"preamble\r\n" + _form(_part("model", b"m"), _part("file", b"x", filename="f"))
    assert find_model(changed, TYPE).model == "m"
    empty = _form()
    assert name_model(empty, find_model(empty, TYPE), "m") == _form(_part("model", b"m"))


@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                b"--" + BOUNDARY.encode(),
                b"--",
                b"\r\n",
                b"\n",
                b'Content-Disposition: form-data; name="model"',
                b"a",
                b'"',
                b":",
            ]
        )
    ).map(b"".join)
)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    reason = Reason.INVALID_ARGUMENT
    try:
        find_model(body, TYPE)
    except TollkeeperError as error:
        reason = error.reason
    assert reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("length", [300, 70_000, 5_000_000])
def test_a_model_that_no_model_can_be_named_is_refused_whatever_its_size(length: int) -> None:
    with pytest.raises(TollkeeperError) as caught:
        peek_form(_form(_part("model", b"m" * length)), TYPE)
    assert caught.value.field == "model"


@pytest.mark.parametrize("at", [4 << 20, (4 << 20) - 7, (8 << 20) - 30, 5_000_000])
def test_a_boundary_is_found_wherever_in_a_large_form_it_stands(at: int) -> None:
    body = _form(_part("file", b"x" * at, filename="f"), _part("model", b"m"))

    form = find_model(body, TYPE)

    assert form.model == "m"
    with pytest.raises(TollkeeperError):
        find_model(body + b"x" * (at - len(body) % at) + b"Content-Disposition: form-data", TYPE)


@pytest.mark.parametrize("line", [b"x: a" + b" " * 15_000 + b"b", b"x:" + b"\t" * 15_000 + b"b" + b" " * 900])
def test_headers_full_of_blanks_are_read_in_linear_time(line: bytes) -> None:
    # In quadratic time these take minutes.
    part = b'Content-Disposition: form-data; name="x"\r\n' + line + b"\r\n\r\nv"
    body = b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY.encode(), part) for _ in range(500))

    assert find_model(body + _form(_part("model", b"m")), TYPE).model == "m"
