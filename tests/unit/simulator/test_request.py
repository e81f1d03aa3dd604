"""Requests and their forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.simulator.request import Request, parse_form

TYPE = "multipart/form-data; boundary=b0und"


def _form(*parts: tuple[str, bytes]) -> bytes:
    written = b"".join(
        b"--b0und\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return written + b"--b0und--\r\n"


@given(st.binary(max_size=2000).filter(lambda content: b"--b0und" not in content))
def test_a_file_arrives_byte_for_byte(content: bytes) -> None:
    body = _form(('name="model"', b"whisper-1"), ('name="file"; filename="a.wav"', content))
    form = parse_form(TYPE, body)
    assert form.field("model") == "whisper-1"
    assert [(upload.name, upload.content) for upload in form.uploads("file")] == [("a.wav", content)]


def test_files_of_a_list_belong_together() -> None:
    parts = [(f'name="image[]"; filename="{n}.png"', b"x") for n in range(2)]
    assert [upload.name for upload in parse_form(TYPE, _form(*parts)).uploads("image")] == ["0.png", "1.png"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", _form()),
        (TYPE, b"no boundary here"),
        (TYPE, _form(('name="a"', b"x"))[:-12]),
        (TYPE, b""),
    ],
)
def test_what_is_no_complete_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError):
        parse_form(content_type, body)


def test_query_and_media_type() -> None:
    headers = [(b"content-type", b"Application/JSON; charset=utf-8")]
    request = Request("GET", "/v1/files", "/v1/files?a=1&b=&a=x%20y", b"a=1&b=&a=x%20y", headers)
    assert (request.query("a"), request.query("b"), request.query("c")) == ("x y", "", "")
    assert request.media_type == "application/json"
