"""A request on its way into an endpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tollkeeper_server.simulator import wording
from tollkeeper_server.simulator.faults import Faults
from tollkeeper_server.simulator.reply import Dialect, RefusalError, Reply
from tollkeeper_server.simulator.request import Form, Request, parse_form
from tollkeeper_server.simulator.state import State
from tollkeeper_server.simulator.wording import Wording

MISSING_MODEL = "no-such-model"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A request, the parameters of its path, and what it is answered from.

    `deployment` is the one an Azure path names, else empty.
    """

    request: Request
    faults: Faults
    state: State
    dialect: Dialect = Dialect.OPENAI
    deployment: str = ""
    params: tuple[str, ...] = ()

    def decode(self, decoder: msgspec.json.Decoder[T]) -> T:
        """Returns the JSON body. Raises `RefusalError`, as the provider would word it."""
        kind = self.request.media_type
        if kind != "application/json":
            raise RefusalError(
                415,
                f"Unsupported content type: '{kind}'. This API method only accepts 'application/json' "
                f"requests, but you specified the header 'Content-Type: {kind}'.",
                code="unsupported_content_type",
            )
        try:
            return decoder.decode(self.request.body)
        except msgspec.ValidationError as error:
            _, _, where = str(error).rpartition("`$.")
            raise RefusalError(
                400, f"Invalid type or value: {error}", code="invalid_type", param=where.rstrip("`") or None
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RefusalError(
                400,
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
                "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was "
                "not valid JSON.)",
            ) from None

    def form(self) -> Form:
        """Returns the multipart body. Raises `RefusalError`."""
        try:
            return parse_form(self.request.header(b"content-type"), self.request.body)
        except ValueError as error:
            raise RefusalError(400, f"Could not parse multipart form: {error}") from None

    def model(self, named: str) -> str:
        """Returns the model to answer as: what the body names, else the deployment. Raises `RefusalError`."""
        model = named or self.deployment
        if not model:
            raise RefusalError(400, "you must provide a model parameter", param="model")
        if model == MISSING_MODEL:
            raise RefusalError(
                404,
                f"The model `{model}` does not exist or you do not have access to it.",
                code="model_not_found",
            )
        return model

    def compose(self, limit: int | None = None, stops: Sequence[str] = (), text: str = "") -> Wording:
        """Returns the reply to this call (`wording.compose`)."""
        words = self.state.config.reply_words if self.faults.events is None else self.faults.events
        return wording.compose(words, limit=limit, stops=stops, pad=self.faults.pad, text=text)


Handler = Callable[[Call], Reply]


def not_found(what: str, key: str) -> RefusalError:
    """Returns the refusal for an object that does not exist."""
    return RefusalError(404, f"No {what} found with id '{key}'.", code="not_found", param="id")
