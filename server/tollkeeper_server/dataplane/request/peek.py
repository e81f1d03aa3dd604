"""The members of a request's body that the gateway must know: the model, and whether to stream."""

import msgspec
from msgspec import Struct

from tollkeeper_server.dataplane.request.endpoint import REALTIME, Body, Endpoint
from tollkeeper_server.dataplane.request.form import FormModel, find_model
from tollkeeper_server.dataplane.request.long_json import UNSAID, JsonPeek, read_long
from tollkeeper_server.dataplane.request.named import Named
from tollkeeper_server.errors import Reason, TollkeeperError

JSON_TYPES = (b"application/json", b"text/json")
MAX_MODEL_LENGTH = 256
READ_AT_ONCE = 1024 * 1024
"""The most bytes of JSON that are read at once: a millisecond or two."""


class Peek(Struct, frozen=True, gc=False):
    """The result. `model` is None if the body names none; `form` is set if it is a form.

    `store` is whether a JSON body wants the answer kept, None if it does not say; xAI keeps `deferred` ones.
    `named` are models that it names deeper, if it was looked through for them.
    """

    model: str | None
    streamed: bool = False
    wants_usage: bool = False
    form: FormModel | None = None
    is_json: bool = False
    store: bool | None = None
    named: Named | None = None


_TRUTHS = {b"true": True, b"false": False}
_decode = msgspec.json.Decoder(JsonPeek).decode
NO_PEEK = Peek(None)
"""The result for a body that is not looked into."""


def media_type(content_type: bytes) -> bytes:
    """Return the type of a content-type header, without parameters, in lower case."""
    return content_type.partition(b";")[0].strip().lower()


def is_json(media: bytes) -> bool:
    """Return whether a media type is JSON (RFC 6839: also any with the suffix)."""
    return media in JSON_TYPES or media.endswith(b"+json")


def is_read(endpoint: Endpoint, content_type: bytes) -> bool:
    """Return whether a body is looked into, or only forwarded."""
    media = media_type(content_type)
    return endpoint.body is not Body.ANY or is_json(media) or media == b"multipart/form-data"


def peek_body(
    endpoint: Endpoint, method: str, content_type: bytes, body: bytes, *, by_path: bool = False
) -> Peek:
    """Look into the body of a request for an endpoint whose bodies are read.

    `by_path` says that the path names the model, so that JSON may name anything.
    Raises UNSUPPORTED_MEDIA_TYPE, INVALID_JSON, or INVALID_ARGUMENT.
    """
    if content_type == JSON_TYPES[0] and body:
        return peek_json(body, by_path=by_path)  # the same for every endpoint
    media = media_type(content_type)
    match endpoint.body:
        case Body.ANY if endpoint is REALTIME and media == b"multipart/form-data":
            # A call's model stands within its part `session`, and nothing else counts there.
            return NO_PEEK
        case Body.ANY | Body.STREAM:
            return peek_any(body, content_type, by_path=by_path)
        case Body.FORM if media == b"multipart/form-data":
            return peek_form(body, content_type)
        case Body.JSON | Body.FORM if method not in {"POST", "PUT", "PATCH"} and not body:
            return NO_PEEK
        case Body.JSON | Body.FORM as wanted:
            if media and not is_json(media):
                expected = "application/json" if wanted is Body.JSON else "multipart/form-data"
                raise TollkeeperError(
                    Reason.UNSUPPORTED_MEDIA_TYPE,
                    f"the content-type is not one this endpoint takes; send {expected}",
                    field="content-type",
                )
            return peek_json(body, by_path=by_path)


def peek_json(body: bytes, *, by_path: bool = False) -> Peek:
    """Look into a JSON body, whose `model` may be any text if the path names the model.

    Raises INVALID_JSON, or INVALID_ARGUMENT naming the member.
    """
    try:
        found = _decode(body) if len(body) <= READ_AT_ONCE else read_long(body)
    except msgspec.ValidationError as error:
        # msgspec says where and what it expected, and never shows the value.
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"the request's body is not as expected: {error}", field="body"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TollkeeperError(
            Reason.INVALID_JSON,
            f"the request's body is not valid JSON: {error}"
            if body
            else "the request has no body; send JSON",
            field="body",
        ) from None
    except RecursionError as error:
        raise TollkeeperError(
            Reason.INVALID_JSON, "the request's body is nested too deeply", field="body"
        ) from error
    options = found.stream_options or None
    model = found.model if isinstance(found.model, str) else None
    return Peek(
        model if by_path else check_model(model),
        streamed=found.stream is True,
        wants_usage=options is not None and options.include_usage is True,
        is_json=True,
        store=None if found.store is found.deferred is UNSAID else _wants_kept(found),
    )


def _wants_kept(found: JsonPeek) -> bool | None:
    return bytes(found.deferred) == b"true" or _TRUTHS.get(bytes(found.store))


def peek_form(body: bytes, content_type: bytes) -> Peek:
    """Look into a multipart form. Raises INVALID_ARGUMENT if it is malformed."""
    form = find_model(body, content_type)
    return Peek(check_model(form.model), streamed=form.streamed, form=form)


def peek_any(body: bytes, content_type: bytes, *, by_path: bool = False) -> Peek:
    """Look into a body that may or may not name a model."""
    media = media_type(content_type)
    if media == b"multipart/form-data":
        return peek_form(body, content_type)
    return peek_json(body, by_path=by_path) if is_json(media) and body else NO_PEEK


def check_model(model: str | None, field: str = "model") -> str | None:
    """Return the name of a model. Raises INVALID_ARGUMENT if no model can have it."""
    if model is not None and (not model or len(model) > MAX_MODEL_LENGTH or not model.isprintable()):
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"{field} must have 1 to {MAX_MODEL_LENGTH} printable characters",
            field=field,
        )
    return model
