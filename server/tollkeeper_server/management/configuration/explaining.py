"""ExplainRequest: the way of a request through the data plane, as a message."""

from collections.abc import Awaitable, Callable

from tollkeeper.messages import write
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.management.messages import fields_of

Explainer = Callable[[Query], Awaitable[Explanation]]
"""Explains a request by the snapshot and the health of this process. Raises STORE_UNAVAILABLE."""


async def explain_request(explain: Explainer, request: pb.ExplainRequestRequest) -> pb.ExplainRequestResponse:
    """Answer ExplainRequest."""
    found = await explain(Query(**fields_of(Query, request)))
    members = [write(it, pb.ExplainedMember(), average_duration=it.average_seconds) for it in found.members]
    return write(found, pb.ExplainRequestResponse(), members=members)
