"""The calls of ConfigurationService."""

from collections.abc import Mapping, Sequence

from tollkeeper.calls.rpc import Rpc, rpc, rpc_with
from tollkeeper.explanation import Explanation
from tollkeeper.messages import fill
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.values import AppliedConfiguration


def apply_configuration(
    configuration: pb.Configuration,
    /,
    *,
    dry_run: bool = False,
    prune: bool = False,
    prune_kinds: Sequence[str] = (),
) -> Rpc[AppliedConfiguration]:
    """Make the configuration as it is described, all of it or nothing, and return the difference.

    `tollkeeper.configuration.read_document` makes a configuration of a file. With `dry_run` nothing is
    changed; with `prune` what is not named goes, of the kinds of which some are named, but for projects and
    tokens, and what is used: that is in `kept`. `prune_kinds` are kinds of which none is named and all go,
    such as those that `tollkeeper.configuration.emptied_kinds` finds in a file.
    """
    request = fill(
        pb.ApplyConfigurationRequest(),
        configuration=configuration,
        dry_run=dry_run,
        prune=prune,
        prune_kinds=prune_kinds,
    )
    return rpc(request, AppliedConfiguration)


def export_configuration() -> Rpc[pb.Configuration]:
    """Describe the configuration, but for secrets.

    `tollkeeper.configuration.write_document` makes it a file.
    """
    return rpc_with(pb.ExportConfigurationRequest(), _configuration)


def _configuration(response: pb.ExportConfigurationResponse) -> pb.Configuration:
    return response.configuration


def explain_request(
    *,
    token: str,
    model: str = "",
    path: str = "",
    listener: str = "",
    method: str = "",
    headers: Mapping[str, str] | None = None,
    streamed: bool = False,
) -> Rpc[Explanation]:
    """Return where a request would go, and why, without making it.

    `token` is a secret or an id. Empty `method` and `path` are those of a chat completion, an empty
    `listener` is the gateway's own data plane.
    """
    request = fill(
        pb.ExplainRequestRequest(),
        listener=listener,
        method=method,
        path=path,
        model=model,
        token=token,
        streamed=streamed,
        headers=headers,
    )
    return rpc(request, Explanation)
