"""The calls of ConfigurationService."""

from collections.abc import Mapping, Sequence

from tollkeeper.calls.rpc import Pages, Rpc, pages, rpc, rpc_with
from tollkeeper.messages import fill
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.values.configuration import AppliedConfiguration, ConfigurationChange, EntityKind, Reference
from tollkeeper.values.explanation import Explanation
from tollkeeper.values.revisions import Revision


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


def list_references(*, kind: EntityKind, name: str, page_size: int = 0) -> Pages[Reference]:
    """Iterate over the entities that refer to one, by kind and name, fetching pages of `page_size`.

    `name` is its name, or the id of a project or token. While one of them `prevents_deletion`, it can't be
    deleted. Raises `NotFound` if there is no such entity.
    """
    return pages(fill(pb.ListReferencesRequest(), kind=kind, name=name, page_size=page_size), Reference)


def list_revisions(*, kind: str = "", entity_id: str = "", page_size: int = 0) -> Pages[Revision]:
    """Iterate over the revisions of the configuration, newest first: who changed what, and when.

    `kind` is project, upstream, group, model, listener or gateway, and limits the list to revisions that
    changed one; `entity_id`, the id of a project or the name of any other, to those of that one. Pages are of
    `page_size`, the gateway's choice if 0.
    """
    request = fill(pb.ListRevisionsRequest(), kind=kind, entity_id=entity_id, page_size=page_size)
    return pages(request, Revision)


def diff_revisions(
    from_revision: int, to_revision: int | None = None, /, *, page_size: int = 0
) -> Pages[ConfigurationChange]:
    """Iterate over the entities that differ between two revisions, by kind and id; None is the latest.

    Raises `NotFound` for a revision that the history does not reach, naming the oldest that it does.
    """
    request = fill(
        pb.DiffRevisionsRequest(), from_revision=from_revision, to_revision=to_revision, page_size=page_size
    )
    return pages(request, ConfigurationChange)


def explain_request(
    *,
    token: str = "",
    project_id: str = "",
    model: str = "",
    path: str = "",
    listener: str = "",
    method: str = "",
    headers: Mapping[str, str] | None = None,
    streamed: bool = False,
    body: str = "",
    prompt_bytes: int = 0,
    max_output_tokens: int = 0,
    calls: int = 1,
) -> Rpc[Explanation]:
    """Return where a request would go, and why, without making it.

    `token` is a secret or an id. Empty `method` and `path` are those of a chat completion, an empty
    `listener` is the gateway's own data plane. Without a token it is one of `project_id` that has no limits.

    The request has that `body`, or one with a prompt of `prompt_bytes` that allows an answer of
    `max_output_tokens` (0 says nothing of it). `calls` of them are under way at once.
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
        body=body,
        prompt_bytes=prompt_bytes,
        max_output_tokens=max_output_tokens,
        calls=calls,
        project_id=project_id,
    )
    return rpc(request, Explanation)
