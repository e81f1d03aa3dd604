"""`tollkeeper token`: what applications present."""

from types import MappingProxyType
from typing import Any

import click

from tollkeeper.cli.lengths import MAX_MINUTES, minutes, moment
from tollkeeper.cli.limits import NO_LIMITS, limit_option, no_limits_option
from tollkeeper.cli.listing import asked, label_option, list_options, show_list
from tollkeeper.cli.options import Words, settings_of, to_update, validate_option
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import Failure, manages, read_secret
from tollkeeper.client import Client
from tollkeeper.messages.lengths import rfc3339
from tollkeeper.values.token import Expiry, MintedToken, RevokedBatch, RotatedToken, Token, TokenState

MAX_REQUESTS = 2**53 - 1
_BATCH = 1000
_EXPIRIES = ("duration", "duration_minutes", "expires_at", "never_expires")


@click.group(no_args_is_help=True)
def token() -> None:
    """Manage tokens: what applications present.

    \b
    Examples:
      tollkeeper token create --project-id prj_… --name ci --duration 24h
      tollkeeper token list --project-id prj_… --active
      tollkeeper token revoke tok_… tok_…
    """


def _requests(it: Token) -> str:
    return f"{it.request_count}/{it.max_requests}" if it.max_requests else str(it.request_count)


@token.command("list")
@click.option(
    "--project-id",
    "--project",
    "project_id",
    metavar="ID",
    default="",
    help="Leave out other projects' tokens.",
)
@click.option("--active", "active_only", is_flag=True, help="Leave out revoked and expired tokens.")
@click.option(
    "--state",
    "states",
    type=Words(TokenState),
    multiple=True,
    help="Only those in this state; repeat for more. Expiring is within 7 days.",
)
@label_option("Only those that have this label; repeat for more.")
@list_options("id, name, description or labels", "created_at, updated_at, name, expires_at or last_used_at")
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List tokens, oldest first; their secrets are masked.

    \b
    Examples:
      tollkeeper token list --search ci --sort 'last_used_at desc' --limit 20 --total
      tollkeeper token list --state expiring --state exhausted --label team=support
    """
    show_list(
        output,
        client.tokens.list(**asked(given)),
        {
            "ID": lambda it: it.id,
            "NAME": lambda it: it.name,
            "PROJECT": lambda it: it.project_id,
            "TOKEN": lambda it: it.token,
            "STATE": lambda it: it.state,
            "EXPIRES": lambda it: it.expires_at,
            "REQUESTS": _requests,
            "LIMITS": lambda it: it.limits,
            "MODELS": lambda it: it.allowed_models or "all",
            "LAST USED": lambda it: it.last_used_at,
            "CREATED": lambda it: it.created_at,
        },
        kind="tokens",
        limit=given["limit"],
        right=["REQUESTS"],
    )


@token.command()
@click.argument("token_id", metavar="ID")
@manages
def get(client: Client, output: Output, token_id: str) -> None:
    """Show one token; its secret is masked."""
    output.item(client.tokens.get(token_id))


@token.command()
@click.option(
    "--project-id", "--project", "project_id", metavar="ID", required=True, help="The project it is for."
)
@click.option("--name", default="", help="For people.")
@click.option("--duration", type=minutes, metavar="LENGTH", help="Expire after 90m, 24h or 7d.")
@click.option(
    "--duration-minutes", type=click.IntRange(1, MAX_MINUTES), metavar="N", help="The same in minutes."
)
@click.option("--expires-at", type=moment, metavar="TIME", help="Expire at 2026-03-01T12:00Z.")
@click.option(
    "--max-requests",
    type=click.IntRange(0, MAX_REQUESTS),
    default=0,
    help="How many requests it admits in its life; 0 is unlimited.",
)
@click.option(
    "--allowed-model",
    "allowed_models",
    metavar="MODEL",
    multiple=True,
    help="A model it may use, or with a trailing *, models; repeat for more. All if not given.",
)
@click.option("--description", default="", help="For people.")
@limit_option("What it may use beside --max-requests; repeat for more.")
@label_option("A label by which it is found; repeat for more.")
@click.option("--secret", metavar="SECRET", help="One that applications have already; - reads it from stdin.")
@click.option("--secret-env", metavar="NAME", help="Take it from this environment variable.")
@validate_option
@manages
def create(
    client: Client,
    output: Output,
    /,
    project_id: str,
    secret: str | None,
    secret_env: str | None,
    validate_only: bool,
    **given: Any,
) -> None:
    """Mint a token, and print its secret, which is not shown again.

    The secret alone goes to stdout; with --json, the whole answer.

    \b
    Examples:
      tollkeeper token create --project-id prj_… --name ci --duration 24h
      tollkeeper token create --project-id prj_… --allowed-model 'gpt-4*' --max-requests 1000
      tollkeeper token create --project-id prj_… --limit requests_per_minute=60 --limit money=25/month
      export OPENAI_API_KEY=$(tollkeeper token create --project-id prj_…)
    """
    secret = read_secret("--secret", secret, secret_env, env_option="--secret-env", prompt="Secret") or ""
    settings = _settings(given)
    minted = client.tokens.create(
        project_id=project_id, secret=secret, validate_only=validate_only, **settings
    )
    _show_secret(output, minted, validate_only=validate_only)


@token.command()
@click.argument("token_id", metavar="ID")
@click.option("--name", help="A new name.")
@click.option("--activate/--deactivate", "is_active", default=None, help="Admit requests again, or no more.")
@click.option("--max-requests", type=click.IntRange(0, MAX_REQUESTS), help="0 is unlimited.")
@click.option("--duration", type=minutes, metavar="LENGTH", help="Expire 90m, 24h or 7d from now.")
@click.option(
    "--duration-minutes", type=click.IntRange(1, MAX_MINUTES), metavar="N", help="The same in minutes."
)
@click.option("--expires-at", type=moment, metavar="TIME", help="Expire at 2026-03-01T12:00Z.")
@click.option("--never-expires", is_flag=True, default=None, help="Take the expiry away.")
@click.option(
    "--allowed-model",
    "allowed_models",
    metavar="MODEL",
    multiple=True,
    help="A model it may use; repeat for more. They replace the present ones.",
)
@click.option("--description", help="A new description; '' for none.")
@limit_option("What it may use beside --max-requests; repeat for more. They replace the present ones.")
@no_limits_option
@label_option("A label; repeat for more. They replace the present ones.")
@click.option("--no-labels", is_flag=True, default=None, help="Take all labels away.")
@click.option("--all-models", is_flag=True, default=None, help="Allow all models.")
@click.option("--etag", default="", help="Fail if the token was changed since it had this etag.")
@validate_option
@manages
def update(
    client: Client, output: Output, /, token_id: str, etag: str, validate_only: bool, **given: Any
) -> None:
    """Change a token; fields that are not given stay.

    \b
    Examples:
      tollkeeper token update tok_… --duration 7d
      tollkeeper token update tok_… --never-expires --all-models
    """
    changes = _settings(given)
    output.item(
        client.tokens.update(
            token_id,
            validate_only=validate_only,
            **to_update(changes, etag, lambda: client.tokens.get(token_id)),
        )
    )


@token.command()
@click.argument("token_ids", metavar="ID...", nargs=-1, required=True)
@manages
def revoke(client: Client, output: Output, token_ids: tuple[str, ...]) -> None:
    """Deactivate tokens; they stop working at once.

    Of several, one that can't be deactivated does not keep the others; then the exit code is 1.
    """
    if len(token_ids) == 1:
        client.tokens.revoke(token_ids[0])
        output.done(f"token {token_ids[0]} is revoked")
        return
    distinct = list(dict.fromkeys(token_ids))
    done = [client.tokens.revoke_many(distinct[at : at + _BATCH]) for at in range(0, len(distinct), _BATCH)]
    whole = RevokedBatch(
        revoked=tuple(it for part in done for it in part.revoked),
        already_revoked=tuple(it for part in done for it in part.already_revoked),
        failed=tuple(it for part in done for it in part.failed),
    )
    if output.as_json:
        output.item(whole)
    else:
        output.done(f"{len(whole.revoked)} revoked, {len(whole.already_revoked)} were revoked already")
    if whole.failed:
        raise Failure("\n  ".join(["not revoked:", *(f"{it.id}: {it.message}" for it in whole.failed)]))


@token.command()
@click.argument("token_id", metavar="ID")
@click.option("--etag", default="", help="Fail if the token was changed since it had this etag.")
@validate_option
@manages
def rotate(client: Client, output: Output, token_id: str, etag: str, validate_only: bool) -> None:
    """Replace a token's secret, and print the new one, which is not shown again.

    The old secret stops working at once.
    """
    rotated = client.tokens.rotate(token_id, etag=etag, validate_only=validate_only)
    _show_secret(output, rotated, validate_only=validate_only)


def _show_secret(output: Output, minted: MintedToken | RotatedToken, *, validate_only: bool) -> None:
    expiry = f"expires {rfc3339(minted.expires_at)}" if minted.expires_at else "never expires"
    if output.as_json:
        output.item(minted)
    elif not validate_only:
        click.echo(minted.token)
    if validate_only:
        output.note(f"the token can be had; it {expiry}")
    else:
        output.note(f"token {minted.id}, {expiry}. Keep the secret: it is not shown again.")


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    if sum(given.get(name) is not None for name in _EXPIRIES) > 1:
        raise click.UsageError(
            "give one of --duration, --duration-minutes, --expires-at and, to update, --never-expires"
        )
    length = given.pop("duration")
    if length is not None:
        given["duration_minutes"] = length
    return settings_of(
        given,
        never_expires=("expires_at", Expiry.NEVER),
        all_models=("allowed_models", ()),
        no_labels=("labels", MappingProxyType({})),
        no_limits=NO_LIMITS,
    )
