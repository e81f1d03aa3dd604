"""How large a request may be, and what is done with a large one beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from google.protobuf.descriptor import MethodDescriptor
from tollkeeper.v1.configuration_service_pb2 import Configuration

from tollkeeper_server.errors import Reason, TollkeeperError

T = TypeVar("T")

USUAL = 1024 * 1024
WHOLE_CONFIGURATION = 8 * 1024 * 1024
LARGE = 4 * 1024
"""The most bytes of a request that the event loop looks through."""

# One large request at a time, so that the threads of other work stay free.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="large-request")


def largest_request(method: MethodDescriptor) -> int:
    """Return how many bytes a request of a method may have, in any form."""
    kinds = {field.message_type for field in method.input_type.fields}
    return WHOLE_CONFIGURATION if Configuration.DESCRIPTOR in kinds else USUAL


def too_large(method: MethodDescriptor) -> TollkeeperError:
    """Return the error for a request of more bytes than its method takes."""
    return TollkeeperError(
        Reason.BODY_TOO_LARGE,
        f"the request is larger than the {largest_request(method):,} bytes that {method.name} takes",
    )


async def looked_through(size: int, work: Callable[[], T]) -> T:
    """Return what `work` finds in `size` bytes. It is done in a thread if they are many."""
    if size <= LARGE:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
