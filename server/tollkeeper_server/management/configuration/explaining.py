"""ExplainRequest: the way of a request through the data plane, as a message."""

from collections.abc import Awaitable, Callable

from tollkeeper.messages import write
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.management.limit_standings import names_of, with_name
from tollkeeper_server.management.messages import fields_of
from tollkeeper_server.management.usage_names import Directory

Explainer = Callable[[Query], Awaitable[Explanation]]
"""Explains a request by the snapshot and the health of this process. Raises STORE_UNAVAILABLE."""


async def explain_request(
    explain: Explainer, directory: Directory, request: pb.ExplainRequestRequest
) -> pb.ExplainRequestResponse:
    """Answer ExplainRequest."""
    found = await explain(Query(**fields_of(Query, request)))
    members = [write(it, pb.ExplainedMember(), average_duration=it.average_seconds) for it in found.members]
    names = await names_of(directory, found.reservations)
    reservations = [
        with_name(it, write(it, pb.ExplainedReservation(), scope_name=""), names) for it in found.reservations
    ]
    return write(found, pb.ExplainRequestResponse(), members=members, reservations=reservations)
