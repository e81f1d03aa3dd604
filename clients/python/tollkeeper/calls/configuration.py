"""The calls of ConfigurationService."""

from tollkeeper.calls.call import Call, call
from tollkeeper.calls.wire import word
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.values import AppliedConfiguration, ChangeAction, ConfigurationChange, FieldChange

SERVICE = "ConfigurationService"


def _read_change(change: pb.ConfigurationChange) -> ConfigurationChange:
    return ConfigurationChange(
        kind=change.kind,
        name=change.name,
        action=word(pb.ChangeAction, ChangeAction, change.action),
        fields=tuple(FieldChange(it.field, it.before, it.after) for it in change.fields),
        secret=change.secret,
    )


def apply_configuration(
    configuration: pb.Configuration, /, *, dry_run: bool = False, prune: bool = False
) -> Call[AppliedConfiguration]:
    """Makes what is configured as it is described, all of it or nothing, and tells the difference.

    `tollkeeper.configuration.read_document` makes a configuration of a file. With `dry_run` nothing is
    changed; with `prune` what is not named goes, of the kinds of which some are named, but for projects and
    tokens.
    """
    request = pb.ApplyConfigurationRequest(configuration=configuration, dry_run=dry_run, prune=prune)
    return call(
        SERVICE,
        "ApplyConfiguration",
        request,
        pb.ApplyConfigurationResponse,
        lambda answer: AppliedConfiguration(tuple(map(_read_change, answer.changes)), answer.revision),
    )


def export_configuration() -> Call[pb.Configuration]:
    """Describes what is configured, but for secrets.

    `tollkeeper.configuration.write_document` makes it a file.
    """
    return call(
        SERVICE,
        "ExportConfiguration",
        pb.ExportConfigurationRequest(),
        pb.ExportConfigurationResponse,
        lambda answer: answer.configuration,
    )
