"""`tollkeeper upstream`: the provider endpoints that requests are forwarded to."""

from typing import Any

import click

from tollkeeper.cli.lengths import parse_length
from tollkeeper.cli.listing import activity_option, asked, list_options, show_list
from tollkeeper.cli.options import Words, options, settings_of, to_update, validate_option, whole
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages, read_secret
from tollkeeper.cli.upstream_traffic import REMOVALS, removal_options, traffic_options
from tollkeeper.client import Client
from tollkeeper.messages.problems import plain
from tollkeeper.values.upstream import AuthScheme, Provider
from tollkeeper.values.upstream_testing import UpstreamTestOutcome

# Longer than a test may take.
_TEST_SECONDS = 30.0
_MARKS = {
    UpstreamTestOutcome.PASSED: "ok  ",
    UpstreamTestOutcome.FAILED: "FAIL",
    UpstreamTestOutcome.SKIPPED: "-   ",
    UpstreamTestOutcome.UNKNOWN: "?   ",
}


def _length(name: str, field: str, description: str) -> Any:
    return click.option(name, f"timeouts__{field}", type=parse_length, metavar="LENGTH", help=description)


_settings = options(
    click.option(
        "--base-url",
        metavar="URL",
        help="What a request's path, less /v1 unless it keeps paths, is appended to.",
    ),
    click.option("--full-url", metavar="URL", help="Where every request goes; generic only."),
    click.option(
        "--keep-path/--no-keep-path",
        default=None,
        help="Whether paths are appended to the base URL as they came, /v1 included; generic only.",
    ),
    click.option(
        "--auth-scheme", type=Words(AuthScheme), help="How the credential is presented; generic only."
    ),
    click.option("--auth-header", metavar="NAME", help="The header, where the scheme is header."),
    click.option("--username", metavar="NAME", help="The user, where the scheme is basic."),
    click.option("--api-key", metavar="KEY", help="The credential; - reads it from stdin."),
    click.option("--api-key-env", metavar="NAME", help="Take it from this environment variable."),
    click.option("--organization", metavar="ID", help="Sent to OpenAI as OpenAI-Organization."),
    click.option("--project", metavar="ID", help="Sent to OpenAI as OpenAI-Project."),
    click.option("--api-version", metavar="VERSION", help="Azure's, or Anthropic's default one."),
    click.option(
        "--list-models/--no-list-models",
        default=None,
        help="Whether models that it lists are listed where a pattern or a listener's group leads to it.",
    ),
    _length("--connect-timeout", "connect", "To open a connection, such as 500ms or 5s."),
    _length("--first-byte-timeout", "first_byte", "To the response's headers."),
    _length("--idle-timeout", "idle", "The longest silence within a response."),
    _length("--total-timeout", "total", "To the response's end."),
    click.option(
        "--drain",
        type=parse_length,
        metavar="LENGTH",
        help="For how long answers are read on whose callers have left, to count them; 0s is not at all.",
    ),
    click.option(
        "--omit-stream-options/--stream-options",
        default=None,
        help="Whether it refuses to be asked for the usage of streams.",
    ),
)


def _with_secrets(given: dict[str, Any]) -> dict[str, Any]:
    """Return what options give, with the secrets that they refer to."""
    key = read_secret("--api-key", given["api_key"], given.pop("api_key_env"))
    proxy = read_secret(
        "--proxy", given["proxy_url"], given.pop("proxy_env"), env_option="--proxy-env", prompt="Proxy"
    )
    return {**given, "api_key": key, "proxy_url": proxy}


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
@activity_option
@list_options("name, provider or base URL", "name, created_at or updated_at")
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List upstreams by name."""
    show_list(
        output,
        client.upstreams.list(**asked(given)),
        {
            "NAME": lambda it: it.name,
            "PROVIDER": lambda it: it.provider,
            "URL": lambda it: it.full_url or it.base_url,
            "API KEY": lambda it: it.api_key,
            "ACTIVE": lambda it: it.is_active,
            "DEFAULT": lambda it: it.is_default,
            "CREATED": lambda it: it.created_at,
        },
        kind="upstreams",
        limit=given["limit"],
    )


@upstream.command()
@click.argument("name")
@manages
def get(client: Client, output: Output, name: str) -> None:
    """Show one upstream; its credential is masked."""
    output.item(client.upstreams.get(name))


@upstream.command()
@click.argument("name")
@click.option("--provider", type=Words(Provider), required=True, help="How it wants to be spoken to.")
@click.option("--default", "is_default", is_flag=True, help="Send requests that name no model here.")
@click.option("--inactive", is_flag=True, help="Give it no traffic yet.")
@_settings
@traffic_options
@validate_option
@manages
def create(client: Client, output: Output, /, name: str, inactive: bool, **given: Any) -> None:
    """Add an upstream.

    \b
    Examples:
      tollkeeper upstream create openai --provider openai --api-key-env OPENAI_API_KEY
      tollkeeper upstream create azure-eu --provider azure \\
          --base-url https://example.openai.azure.com --api-version 2024-10-21 --api-key - < key.txt
      tollkeeper upstream create vllm --provider generic --base-url http://vllm:8000/v1 \\
          --probe /models --breaker-threshold 0.3 --header insert:x-team:search
    """
    settings = whole(settings_of(_with_secrets(given)))
    output.item(client.upstreams.create(name=name, is_active=not inactive, **settings))


@upstream.command()
@click.argument("name")
@click.option("--provider", type=Words(Provider), help="How it wants to be spoken to.")
@click.option(
    "--default/--no-default", "is_default", default=None, help="Send requests that name no model here."
)
@click.option(
    "--activate/--deactivate", "is_active", default=None, help="Put it into traffic, or take it out."
)
@click.option("--remove-api-key", is_flag=True, default=None, help="Forget the credential.")
@click.option("--etag", default="", help="Fail if the upstream was changed since it had this etag.")
@_settings
@traffic_options
@removal_options
@validate_option
@manages
def update(
    client: Client, output: Output, /, name: str, etag: str, validate_only: bool, **given: Any
) -> None:
    """Change an upstream; fields that are not given stay. An empty value takes a setting away.

    \b
    Examples:
      tollkeeper upstream update openai --api-key - < new-key.txt
      tollkeeper upstream update openai --total-timeout 30m
      tollkeeper upstream update openai --organization ''
    """
    changes = settings_of(_with_secrets(given), remove_api_key=("api_key", ""), **REMOVALS)
    output.item(
        client.upstreams.update(
            name, validate_only=validate_only, **to_update(changes, etag, lambda: client.upstreams.get(name))
        )
    )


@upstream.command()
@click.argument("name")
@click.option("--etag", default="", help="Fail if the upstream was changed since it had this etag.")
@validate_option
@manages
def delete(client: Client, output: Output, name: str, etag: str, validate_only: bool) -> None:
    """Remove an upstream that neither a model nor a group uses."""
    client.upstreams.delete(name, etag=etag, validate_only=validate_only)
    output.done(f"upstream {name} {'can be' if validate_only else 'is'} deleted")


@upstream.command(context_settings={"default_map": {"timeout": _TEST_SECONDS}})
@click.argument("name")
@manages
def test(client: Client, output: Output, name: str) -> None:
    """Call an upstream step by step, and tell what each step finds; exit with 1 if one fails.

    Nothing is stored or metered. It takes 25 seconds at most.
    """
    told = client.upstreams.test(name)
    if output.as_json:
        output.item(told)
    else:
        for it in told.steps:
            took = round(it.duration.total_seconds() * 1000) if it.duration else 0
            click.echo(f"{_MARKS[it.outcome]} {it.step:<11} {took:>6} ms  {plain(it.detail)}".rstrip())
            if it.remedy:
                click.echo(f"                          {plain(it.remedy)}")
    if not told.passed:
        raise click.exceptions.Exit(1)


@upstream.command("reset-breaker")
@click.argument("name")
@manages
def reset_breaker(client: Client, output: Output, name: str) -> None:
    """Close the breaker of an upstream, in the process that answers and all that share Redis with it."""
    client.upstreams.reset_breaker(name)
    output.done(f"the breaker of the upstream {name} is closed")


@upstream.command()
@click.argument("name")
@manages
def models(client: Client, output: Output, name: str) -> None:
    """List the models that an upstream lists itself."""
    output.items(
        client.upstreams.models(name),
        {"MODEL": lambda it: it.name, "CREATED": lambda it: it.created_at},
        none="no models",
    )
