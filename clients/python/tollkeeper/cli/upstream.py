"""`tollkeeper upstream`: the provider endpoints that requests are forwarded to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ParamSpec

import click

from tollkeeper.cli.lengths import seconds
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages, read_secret, require_change
from tollkeeper.cli.upstream_traffic import (
    changes_parts,
    changes_traffic,
    read_traffic,
    removal_options,
    traffic_options,
)
from tollkeeper.client import Client
from tollkeeper.traffic import Probe
from tollkeeper.values import AuthScheme, Provider, Timeouts

P = ParamSpec("P")

PROVIDERS = click.Choice([it.value for it in Provider if it is not Provider.UNKNOWN])
SCHEMES = click.Choice([it.value for it in AuthScheme if it is not AuthScheme.UNKNOWN])


def _settings(command: Callable[P, None]) -> Callable[P, None]:
    """The options that create and update share."""
    for option in reversed(
        (
            click.option(
                "--base-url", metavar="URL", help="What a request's path, less /v1, is appended to."
            ),
            click.option("--full-url", metavar="URL", help="Where every request goes; generic only."),
            click.option(
                "--auth-scheme", type=SCHEMES, help="How the credential is presented; generic only."
            ),
            click.option("--auth-header", metavar="NAME", help="The header, where the scheme is header."),
            click.option("--username", metavar="NAME", help="The user, where the scheme is basic."),
            click.option("--api-key", metavar="KEY", help="The credential; - reads it from stdin."),
            click.option("--api-key-env", metavar="NAME", help="Take it from this environment variable."),
            click.option("--organization", metavar="ID", help="Sent to OpenAI as OpenAI-Organization."),
            click.option("--project", metavar="ID", help="Sent to OpenAI as OpenAI-Project."),
            click.option("--api-version", metavar="VERSION", help="Azure's, or Anthropic's default one."),
            click.option(
                "--connect-timeout",
                type=seconds,
                metavar="LENGTH",
                help="To open a connection, such as 500ms or 5s.",
            ),
            click.option(
                "--first-byte-timeout", type=seconds, metavar="LENGTH", help="To the response's headers."
            ),
            click.option(
                "--idle-timeout",
                type=seconds,
                metavar="LENGTH",
                help="The longest silence within a response.",
            ),
            click.option("--total-timeout", type=seconds, metavar="LENGTH", help="To the response's end."),
        )
    ):
        command = option(command)
    return command


@click.group(no_args_is_help=True)
def upstream() -> None:
    """Manage upstreams: the provider endpoints that requests are forwarded to.

    \b
    Examples:
      tollkeeper upstream create openai --provider openai --api-key-env OPENAI_API_KEY --default
      tollkeeper upstream create local --provider generic --base-url http://127.0.0.1:11434/v1
      tollkeeper upstream update openai --deactivate
    """


@upstream.command("list")
@manages
def list_(client: Client, output: Output) -> None:
    """List upstreams by name."""
    output.items(
        client.upstreams.list(page_size=1000),
        {
            "NAME": lambda it: it.name,
            "PROVIDER": lambda it: it.provider,
            "URL": lambda it: it.full_url or it.base_url,
            "API KEY": lambda it: it.api_key,
            "ACTIVE": lambda it: it.is_active,
            "DEFAULT": lambda it: it.is_default,
            "CREATED": lambda it: it.created_at,
        },
        none="no upstreams",
    )


@upstream.command()
@click.argument("name")
@manages
def get(client: Client, output: Output, name: str) -> None:
    """Show one upstream; its credential is masked."""
    output.item(client.upstreams.get(name))


@upstream.command()
@click.argument("name")
@click.option("--provider", type=PROVIDERS, required=True, help="How it wants to be spoken to.")
@click.option("--default", "is_default", is_flag=True, help="Send requests that name no model here.")
@click.option("--inactive", is_flag=True, help="Give it no traffic yet.")
@_settings
@traffic_options
@manages
def create(
    client: Client,
    output: Output,
    name: str,
    provider: str,
    is_default: bool,
    inactive: bool,
    base_url: str | None,
    full_url: str | None,
    auth_scheme: str | None,
    auth_header: str | None,
    username: str | None,
    api_key: str | None,
    api_key_env: str | None,
    organization: str | None,
    project: str | None,
    api_version: str | None,
    connect_timeout: timedelta | None,
    first_byte_timeout: timedelta | None,
    idle_timeout: timedelta | None,
    total_timeout: timedelta | None,
) -> None:
    """Add an upstream.

    \b
    Examples:
      tollkeeper upstream create openai --provider openai --api-key-env OPENAI_API_KEY
      tollkeeper upstream create azure-eu --provider azure \\
          --base-url https://example.openai.azure.com --api-version 2024-10-21 --api-key - < key.txt
      tollkeeper upstream create vllm --provider generic --base-url http://vllm:8000/v1 \\
          --probe /models --breaker-threshold 0.3 --header insert:x-team:search
    """
    traffic = read_traffic(None)
    output.item(
        client.upstreams.create(
            name=name,
            provider=Provider(provider),
            base_url=base_url or "",
            full_url=full_url or "",
            auth_scheme=None if auth_scheme is None else AuthScheme(auth_scheme),
            auth_header=auth_header or "",
            username=username or "",
            api_key=read_secret("--api-key", api_key, api_key_env) or "",
            organization=organization or "",
            project=project or "",
            api_version=api_version or "",
            is_default=is_default,
            timeouts=Timeouts(
                connect=connect_timeout, first_byte=first_byte_timeout, idle=idle_timeout, total=total_timeout
            ),
            is_active=not inactive,
            header_operations=traffic.headers or (),
            breaker=traffic.breaker,
            probe=traffic.probe if isinstance(traffic.probe, Probe) else None,
            ca_certificates=traffic.ca_certificates or "",
            proxy_url=traffic.proxy_url or "",
        )
    )


@upstream.command()
@click.argument("name")
@click.option("--provider", type=PROVIDERS, help="How it wants to be spoken to.")
@click.option(
    "--default/--no-default", "is_default", default=None, help="Send requests that name no model here."
)
@click.option(
    "--activate/--deactivate", "is_active", default=None, help="Put it into traffic, or take it out."
)
@click.option("--remove-api-key", is_flag=True, help="Forget the credential.")
@click.option("--etag", default="", help="Fail if the upstream was changed since it had this etag.")
@_settings
@traffic_options
@removal_options
@manages
def update(
    client: Client,
    output: Output,
    name: str,
    provider: str | None,
    is_default: bool | None,
    is_active: bool | None,
    remove_api_key: bool,
    etag: str,
    base_url: str | None,
    full_url: str | None,
    auth_scheme: str | None,
    auth_header: str | None,
    username: str | None,
    api_key: str | None,
    api_key_env: str | None,
    organization: str | None,
    project: str | None,
    api_version: str | None,
    connect_timeout: timedelta | None,
    first_byte_timeout: timedelta | None,
    idle_timeout: timedelta | None,
    total_timeout: timedelta | None,
) -> None:
    """Change an upstream; what is not given stays. An empty value takes a setting away.

    \b
    Examples:
      tollkeeper upstream update openai --api-key - < new-key.txt
      tollkeeper upstream update openai --total-timeout 30m
      tollkeeper upstream update openai --organization ''
    """
    key = read_secret("--api-key", api_key, api_key_env)
    if remove_api_key:
        if key is not None:
            raise click.UsageError("give a key or --remove-api-key, not both")
        key = ""
    lengths = {
        field: length
        for field, length in (
            ("connect", connect_timeout),
            ("first_byte", first_byte_timeout),
            ("idle", idle_timeout),
            ("total", total_timeout),
        )
        if length is not None
    }
    settings = (base_url, full_url, auth_scheme, auth_header, username, organization, project, api_version)
    others = (provider, is_default, is_active, key, *settings)
    require_change(lengths or changes_traffic() or any(it is not None for it in others))
    present = None
    if lengths or changes_parts():
        # The gateway replaces these as a whole: the rest of them is kept, unless somebody changes it.
        present = client.upstreams.get(name)
        etag = etag or present.etag
    traffic = read_traffic(present)
    output.item(
        client.upstreams.update(
            name,
            provider=None if provider is None else Provider(provider),
            base_url=base_url,
            full_url=full_url,
            auth_scheme=None if auth_scheme is None else AuthScheme(auth_scheme),
            auth_header=auth_header,
            username=username,
            api_key=key,
            organization=organization,
            project=project,
            api_version=api_version,
            is_active=is_active,
            is_default=is_default,
            timeouts=replace(present.timeouts, **lengths) if present and lengths else None,
            header_operations=traffic.headers,
            breaker=traffic.breaker,
            probe=traffic.probe,
            ca_certificates=traffic.ca_certificates,
            proxy_url=traffic.proxy_url,
            etag=etag,
        )
    )


@upstream.command()
@click.argument("name")
@click.option("--etag", default="", help="Fail if the upstream was changed since it had this etag.")
@manages
def delete(client: Client, output: Output, name: str, etag: str) -> None:
    """Remove an upstream that neither a model nor a group uses."""
    client.upstreams.delete(name, etag=etag)
    output.done(f"upstream {name} is deleted")
