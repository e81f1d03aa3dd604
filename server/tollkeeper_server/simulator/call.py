"""A call of one of the simulator's endpoints, with all that the endpoint needs to answer it."""

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
class ApiCall:
    """A request, the parameters of its path, its faults, and the simulator's state.

    `deployment` is the deployment in an Azure path, else empty.
    """

    request: Request
    faults: Faults
    state: State
    dialect: Dialect = Dialect.OPENAI
    deployment: str = ""
    params: tuple[str, ...] = ()

    def decode(self, decoder: msgspec.json.Decoder[T]) -> T:
        """Return the JSON body. Raises `RefusalError` with the provider's message."""
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
        """Return the multipart body. Raises `RefusalError`."""
        try:
            return parse_form(self.request.header(b"content-type"), self.request.body)
        except ValueError as error:
            raise RefusalError(400, f"Could not parse multipart form: {error}") from None

    def model(self, named: str) -> str:
        """Return `named`, the body's model, or else the deployment. Raises `RefusalError` without either."""
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
        """Return the reply to this call (`wording.compose`)."""
        words = self.state.config.reply_words if self.faults.events is None else self.faults.events
        return wording.compose(words, limit=limit, stops=stops, pad=self.faults.pad, text=text)


Handler = Callable[[ApiCall], Reply]


def not_found(kind: str, key: str) -> RefusalError:
    """Return the refusal for an object that does not exist."""
    return RefusalError(404, f"No {kind} found with id '{key}'.", code="not_found", param="id")


def missing_parameter(name: str) -> RefusalError:
    """Return the refusal of a request without a required parameter."""
    message = f"Missing required parameter: '{name}'."
    return RefusalError(400, message, code="missing_required_parameter", param=name)
