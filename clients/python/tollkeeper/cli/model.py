"""`tollkeeper model`: the names that applications ask for."""

import re
from decimal import Decimal
from typing import Any

import click

from tollkeeper.cli.group import split_weight
from tollkeeper.cli.limits import NO_LIMITS, limit_option, no_limits_option
from tollkeeper.cli.listing import activity_option, asked, list_options, show_list
from tollkeeper.cli.options import Words, settings_of, to_update, validate_option, whole
from tollkeeper.cli.output import Output
from tollkeeper.cli.policy import NO_RETRY, policy_options
from tollkeeper.cli.price_options import keeping_prices, price_options, priced, take_prices
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.values.model import Capability
from tollkeeper.values.traffic import Deployment, FallbackCause, Price, Removal

CAUSES = Words(FallbackCause)
CAPABILITIES = Words(Capability)
_REMOVALS: dict[str, tuple[str, object]] = {
    "no_aliases": ("aliases", ()),
    "all_capabilities": ("capabilities", ()),
    "no_fallbacks": ("fallbacks", ()),
    "no_price": ("price", Removal.REMOVE),
    "no_limits": NO_LIMITS,
}
_DOLLARS = r"([0-9]{1,9}(?:\.[0-9]{1,3})?)"
_PRICE = re.compile(f"{_DOLLARS}/{_DOLLARS}(?:/{_DOLLARS})?", re.ASCII)


def deployment(text: str) -> Deployment:
    """Read `UPSTREAM[=UPSTREAM_MODEL][*WEIGHT]`. Raises `ValueError`."""
    place, weight = split_weight(text)
    upstream, equals, upstream_model = place.partition("=")
    if not upstream or (equals and not upstream_model):
        raise ValueError(f"{text!r} is not a deployment; expected UPSTREAM[=UPSTREAM_MODEL][*WEIGHT]")
    return Deployment(upstream, upstream_model, weight)


def price(text: str) -> Price:
    """Read `PROMPT/COMPLETION` or `PROMPT/COMPLETION/CACHED`, in dollars for a million tokens.

    Raises `ValueError`, also for prices that are not whole nano-dollars a token.
    """
    found = _PRICE.fullmatch(text)
    if not found:
        raise ValueError(
            f"{text!r} is not a price; expected PROMPT/COMPLETION[/CACHED] in dollars for a million tokens, "
            "such as 0.15/0.60, with three decimals at the most"
        )
    prompt, completion, *cached = [int(Decimal(part) * 1000) for part in found.groups() if part]
    return Price(prompt=prompt, completion=completion, cached=cached[0] if cached else None)


@click.group(no_args_is_help=True)
def model() -> None:
    """Manage models: the names that applications ask for, and the deployments that serve them.

    \b
    Examples:
      tollkeeper model create gpt-4o-mini --deployment openai
      tollkeeper model create fast --deployment azure-eu=gpt4o-mini --alias small
      tollkeeper model list
    """


@model.command("list")
@activity_option
@list_options("name, aliases or group", "name, created_at or updated_at")
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List models by name."""
    show_list(
        output,
        client.models.list(**asked(given)),
        {
            "NAME": lambda it: it.name,
            "ALIASES": lambda it: it.aliases,
            "SERVED BY": lambda it: it.group or it.deployments,
            "CAPABILITIES": lambda it: it.capabilities or "all",
            "LIMITS": lambda it: it.limits,
            "ACTIVE": lambda it: it.is_active,
            "CREATED": lambda it: it.created_at,
        },
        kind="models",
        limit=given["limit"],
    )


@model.command()
@click.argument("name")
@manages
def get(client: Client, output: Output, name: str) -> None:
    """Show one model."""
    output.item(client.models.get(name))


@model.command()
@click.argument("name")
@click.option(
    "--deployment",
    "deployments",
    type=deployment,
    metavar="UPSTREAM[=UPSTREAM_MODEL][*WEIGHT]",
    multiple=True,
    help="An upstream that serves it, with the model's name there if it is another; repeat for more.",
)
@click.option("--group", metavar="NAME", default="", help="A group that serves it, instead of deployments.")
@click.option(
    "--alias", "aliases", metavar="NAME", multiple=True, help="Another name for it; repeat for more."
)
@click.option(
    "--capability",
    "capabilities",
    type=CAPABILITIES,
    multiple=True,
    help="An endpoint it serves; repeat for more. All if not given.",
)
@click.option(
    "--fallback",
    "fallbacks",
    metavar="MODEL",
    multiple=True,
    help="A model to try when all else is unavailable; repeat for more, in order.",
)
@click.option("--fallback-on", type=CAUSES, multiple=True, help="Try them upon such answers, too.")
@click.option(
    "--price",
    type=price,
    metavar="PROMPT/COMPLETION[/CACHED]",
    help="In dollars for a million tokens, such as 0.15/0.60; --rate and --prices say more.",
)
@limit_option("What all of its requests may use together; repeat for more.")
@price_options
@click.option("--inactive", is_flag=True, help="Give it no traffic yet.")
@policy_options
@validate_option
@manages
def create(client: Client, output: Output, /, name: str, inactive: bool, **given: Any) -> None:
    """Add a model. A trailing * in NAME stands for any rest.

    \b
    Examples:
      tollkeeper model create gpt-4o-mini --deployment openai --deployment azure-eu=gpt4o-mini
      tollkeeper model create 'gpt-*' --deployment openai
      tollkeeper model create own --deployment gpu --rate input=0.28 --rate cached=0.0028 --rate output=0.42
      tollkeeper model create embed --deployment openai=text-embedding-3-small --capability embeddings
      tollkeeper model create large --group chat --fallback gpt-4o-mini --fallback-on context_length
    """
    if bool(given["deployments"]) == bool(given["group"]):
        raise click.UsageError("give --deployment or --group")
    given["prices"] = take_prices(given)
    if given["price"] and given["prices"]:
        raise click.UsageError("give --price, or --rate and --prices")
    settings = whole(settings_of(given, no_retry=NO_RETRY))
    output.item(client.models.create(name=name, is_active=not inactive, **settings))


@model.command()
@click.argument("name")
@click.option(
    "--deployment",
    "deployments",
    type=deployment,
    metavar="UPSTREAM[=UPSTREAM_MODEL][*WEIGHT]",
    multiple=True,
    help="An upstream that serves it; repeat for more. They replace the present ones.",
)
@click.option("--group", metavar="NAME", help="A group that serves it, instead of deployments.")
@click.option("--alias", "aliases", metavar="NAME", multiple=True, help="They replace the present ones.")
@click.option("--no-aliases", is_flag=True, default=None, help="Take all aliases away.")
@click.option(
    "--capability",
    "capabilities",
    type=CAPABILITIES,
    multiple=True,
    help="They replace the present ones.",
)
@click.option("--all-capabilities", is_flag=True, default=None, help="Serve all endpoints.")
@click.option(
    "--fallback", "fallbacks", metavar="MODEL", multiple=True, help="They replace the present ones."
)
@click.option("--no-fallbacks", is_flag=True, default=None, help="Take all fallbacks away.")
@click.option("--fallback-on", type=CAUSES, multiple=True, help="They replace the present ones.")
@click.option(
    "--price",
    type=price,
    metavar="PROMPT/COMPLETION[/CACHED]",
    help="In dollars for a million tokens, such as 0.15/0.60; --rate and --prices say more.",
)
@price_options
@click.option("--no-price", is_flag=True, default=None, help="Take the price or prices away.")
@click.option(
    "--prices-of",
    metavar="UPSTREAM[=UPSTREAM_MODEL]",
    help="Give the prices to this deployment, or take its away with --no-price.",
)
@limit_option("What all of its requests may use together; repeat for more. They replace the present ones.")
@no_limits_option
@click.option(
    "--activate/--deactivate", "is_active", default=None, help="Put it into traffic, or take it out."
)
@click.option("--etag", default="", help="Fail if the model was changed since it had this etag.")
@policy_options
@validate_option
@manages
def update(
    client: Client,
    output: Output,
    /,
    name: str,
    etag: str,
    validate_only: bool,
    prices_of: str | None,
    **given: Any,
) -> None:
    """Change a model; fields that are not given stay.

    \b
    Examples:
      tollkeeper model update fast --deployment openai=gpt-4o-mini
      tollkeeper model update fast --no-aliases --deactivate
      tollkeeper model update fast --prices-of azure-eu --rate input=0.165 --rate output=0.66
    """
    if given["deployments"] and given["group"]:
        raise click.UsageError("give --deployment or --group, not both")
    given["prices"] = take_prices(given)
    if given["price"] and (given["prices"] or prices_of):
        raise click.UsageError("give --price, or --rate and --prices")
    if prices_of and not (given["prices"] or given["no_price"]):
        raise click.UsageError("--prices-of wants --rate, --prices or --no-price")
    if given["deployments"] or prices_of:
        present = client.models.get(name)
        if any(it.prices for it in present.deployments):
            etag = etag or present.etag
        deployments = keeping_prices(given["deployments"], present.deployments) or present.deployments
        if prices_of:
            etag = etag or present.etag
            deployments = priced(deployments, prices_of, given["prices"])
            given |= {"prices": (), "no_price": None}
        given["deployments"] = deployments
    changes = settings_of(given, no_retry=NO_RETRY, **_REMOVALS)
    if given["no_fallbacks"]:
        changes["fallback_on"] = ()
    output.item(
        client.models.update(
            name, validate_only=validate_only, **to_update(changes, etag, lambda: client.models.get(name))
        )
    )


@model.command()
@click.argument("name")
@click.option("--etag", default="", help="Fail if the model was changed since it had this etag.")
@validate_option
@manages
def delete(client: Client, output: Output, name: str, etag: str, validate_only: bool) -> None:
    """Remove a model that no other falls back to."""
    client.models.delete(name, etag=etag, validate_only=validate_only)
    output.done(f"model {name} {'can be' if validate_only else 'is'} deleted")
