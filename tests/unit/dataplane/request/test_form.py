"""Finding the model in a form, and renaming it in place. What checks it is the standard library's parser."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.form import find_model, rename_model
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


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ('Content-Disposition: form-data; name="model"', "m"),
        ("content-disposition:form-data;name=model", "m"),
        ('CONTENT-DISPOSITION: form-data; NAME="model"', "m"),
        ('Content-Type: text/plain\r\nContent-Disposition: form-data; name="model"', "m"),
        ('Content-Disposition: form-data; name="model"; filename="model"', None),
        ('Content-Disposition: form-data; name="model"; filename=""', None),
        ('Content-Disposition: form-data; name="a\\"; name=model"', None),
        ('Content-Disposition: form-data; name="models"', None),
        ('X-Other: form-data; name="model"', None),
    ],
)
def test_only_the_field_itself_counts(head: str, found: str | None) -> None:
    body = f"--{BOUNDARY}\r\n{head}\r\n\r\nm\r\n".encode() + _form()

    assert found == find_model(body, TYPE).model


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
    changed = rename_model(body, form, new)

    assert old == form.model
    renamed = _part("model", new.encode())
    assert (
        _form(*[renamed if n == "model" else part for (n, _), part in zip(fields, parts, strict=True)])
        == changed
    )
    if all(value.isascii() and b"\r" not in value and b"\n" not in value for _, value in fields):
        expected = [(n, new.encode() if n == "model" else v) for n, v in fields]
        assert expected == _independently(changed)


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
