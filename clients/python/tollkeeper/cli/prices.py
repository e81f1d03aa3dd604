"""`tollkeeper prices`: what models cost, and what past requests cost by that."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tollkeeper.changes import ModelChanges
from tollkeeper.cli.configuration import refused
from tollkeeper.cli.files import FILE, read_file
from tollkeeper.cli.lengths import past
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import Failure, explain, manages
from tollkeeper.cli.usage import cost
from tollkeeper.client import Client
from tollkeeper.configuration import ConfigurationError
from tollkeeper.errors import TollkeeperError
from tollkeeper.pricing import PricesFile, compare, read_prices_file
from tollkeeper.values.model import Model
from tollkeeper.values.price import DatedPrice, ModelPrice, PriceSource, Repricing, dollars


@click.group(no_args_is_help=True)
def prices() -> None:
    """Tell what models cost: by their deployments' prices, their own, or those that ship with the gateway.

    \b
    Examples:
      tollkeeper prices list
      tollkeeper prices check
      tollkeeper prices apply --from 2026-11-01 --to 2026-12-01 --dry-run
    """


def _rate(name: str) -> Callable[[ModelPrice], str]:
    def cell(price: ModelPrice) -> str:
        holding = _holding(price.prices)
        rate = holding.rates.given().get(name) if holding else None
        return "" if rate is None else dollars(rate)

    return cell


def _holding(given: tuple[DatedPrice, ...]) -> DatedPrice | None:
    """Return the price that holds at present, at times of the day without hours of their own."""
    now = datetime.now(UTC)
    begun = [it for it in given if not it.hours and (it.start_time is None or it.start_time <= now)]
    return begun[-1] if begun else given[0] if given else None


@prices.command("list")
@click.option("--model", default="", metavar="NAME", help="Only the model that serves this name.")
@manages
def list_(client: Client, output: Output, model: str) -> None:
    """List what each model costs at each of its upstreams, in dollars for a million tokens."""
    output.items(
        client.prices.list(model=model),
        {
            "MODEL": lambda it: it.model,
            "UPSTREAM": lambda it: it.upstream,
            "MODEL THERE": lambda it: it.upstream_model,
            "FROM": lambda it: "as asked for" if _is_open(it) else it.source,
            "INPUT $": _rate("input"),
            "CACHED $": _rate("cached"),
            "OUTPUT $": _rate("output"),
            "LISTED AS": lambda it: it.listed,
            "MAX OUTPUT": lambda it: it.max_output or "",
        },
        none="no models",
        right=("INPUT $", "CACHED $", "OUTPUT $", "MAX OUTPUT"),
        shortened=("LISTED AS",),
    )


def _is_open(price: ModelPrice) -> bool:
    return price.is_pattern and price.source is PriceSource.NONE


@prices.command()
@click.argument("model")
@manages
def show(client: Client, output: Output, model: str) -> None:
    """Explain what the model that serves a name costs: from when, for whom, and where that comes from."""
    found = list(client.prices.list(model=model))
    if not found:
        raise Failure(f"no model serves {model}, or no upstream serves it")
    if output.as_json:
        output.items(found, {}, none="")
        return
    for price in found:
        there = f" as {price.upstream_model}" if price.upstream_model else ""
        click.echo(f"{price.model} at {price.upstream}{there}: {source_of(price)}")
        for dated in price.prices:
            _explain(dated)
        if price.source is not PriceSource.SHIPPED and price.listed_prices:
            click.echo(f"  shipped, as {price.listed}:")
            for dated in price.listed_prices:
                _explain(dated, "    ")
        if price.max_output:
            click.echo(f"  an answer has {price.max_output} tokens at most")


def source_of(price: ModelPrice) -> str:
    """Say where a price comes from."""
    match price.source:
        case PriceSource.DEPLOYMENT:
            return "the deployment's own price"
        case PriceSource.MODEL:
            return "the model's own price"
        case PriceSource.SHIPPED:
            return f"the price that ships with the gateway, as {price.listed}"
        case _:
            return "as the name that is asked for" if price.is_pattern else "no price"


def _explain(dated: DatedPrice, indent: str = "  ") -> None:
    since = f"from {dated.start_time:%Y-%m-%d %H:%M} UTC" if dated.start_time else "always"
    click.echo(f"{indent}{since}{f', at {dated.hours} UTC' if dated.hours else ''}: {dated.rates}")
    for tier in dated.tiers:
        click.echo(f"{indent}  prompts of more than {tier.above} tokens: {tier.rates}")
    for service in dated.services:
        click.echo(f"{indent}  {service.name}: {service.rates}")
        for tier in service.tiers:
            click.echo(f"{indent}    prompts of more than {tier.above} tokens: {tier.rates}")


@prices.command("import")
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Tell the difference; change nothing.")
@click.option("--missing", is_flag=True, help="Only models that no price is known of.")
@manages
def import_(client: Client, output: Output, file: Path, dry_run: bool, missing: bool) -> None:
    """Give the models that the gateway has the prices in a JSON file; - is standard input.

    The file has models, {"models": {"gpt-4o": {"prices": [{"rates": {"input": 2.5, "output": 10}}]}}}, with
    prices as in a configuration file, and deployments by their upstreams; or it is LiteLLM's
    model_prices_and_context_window.json.

    \b
    Examples:
      tollkeeper prices import prices.json --dry-run
      curl -s …/model_prices_and_context_window.json | tollkeeper prices import - --missing
    """
    try:
        read = read_prices_file(read_file(file))
    except ConfigurationError as error:
        raise refused(error, file) from error
    served: dict[str, list[ModelPrice]] = {}
    for price in client.prices.list():
        served.setdefault(price.model, []).append(price)
    changed: list[str] = []
    for name, at in served.items():
        if missing and all(it.source is not PriceSource.NONE for it in at):
            continue
        model = client.models.get(name)
        changes = changes_of(model, at, read)
        if changes:
            try:
                client.models.update(name, etag=model.etag, validate_only=dry_run, **changes)
            except TollkeeperError as error:
                told = (
                    f"; {len(changed)} models before it have their prices" if changed and not dry_run else ""
                )
                raise Failure(f"model {name}: {explain(error)}{told}") from error
            changed.append(name)
            output.note(f"~ model {name}: {', '.join(changes)}")
    if unknown := sorted(set(read.models) - served.keys()):
        output.note(f"no such model in traffic: {', '.join(unknown)}")
    output.done(f"{len(changed)} models {'would have' if dry_run else 'have'} other prices")


def changes_of(model: Model, at: list[ModelPrice], read: PricesFile) -> ModelChanges:
    """Return what changes of a model by the prices of a file."""
    changes: ModelChanges = {}
    own = read.of_model(model.name)
    listed = {(it.upstream, it.upstream_model): read.of_listed(it) for it in at}
    if not own and len(set(listed.values())) == 1:
        own = next(iter(listed.values()))
    if own:
        listed = {}
    if own and own != model.prices:
        changes["prices"] = own
    name = "" if model.name.endswith("*") else model.name
    deployments = tuple(
        replace(
            it,
            prices=read.of_deployment(model.name, it)
            or listed.get((it.upstream, it.upstream_model or name))
            or it.prices,
        )
        for it in model.deployments
    )
    if deployments != model.deployments:
        changes["deployments"] = deployments
    return changes


@prices.command()
@click.option(
    "--factor",
    type=click.FloatRange(min=1, min_open=True),
    default=2.0,
    show_default=True,
    help="How many times a rate may be the shipped one, or the other way round.",
)
@manages
def check(client: Client, output: Output, factor: float) -> None:
    """Warn of models without a price, of prices that lack a rate or are far from the shipped ones or over.

    It ends with 1 if money goes wrong: not for prices that are over.
    """
    now = datetime.now(UTC)
    found = [it for price in client.prices.list() for it in compare(price, now, factor)]
    output.items(
        found,
        {
            "MODEL": lambda it: it.model,
            "UPSTREAM": lambda it: it.upstream,
            "": lambda it: "WARN" if it.is_grave else "note",
            "WHAT": lambda it: it.detail,
        },
        none="all prices are known, and near the shipped ones",
    )
    if count := Counter(it.is_grave for it in found)[True]:
        raise Failure(f"{count} prices want a look")


@prices.command()
@click.option("--from", "start_time", type=past, required=True, metavar="TIME", help="Requests since then.")
@click.option("--to", "end_time", type=past, metavar="TIME", help="Requests before then.  [default: now]")
@click.option("--model", default="", metavar="NAME", help="Only requests that this model has served.")
@click.option("--dry-run", is_flag=True, help="Tell what they would cost; change nothing.")
@manages
def apply(
    client: Client,
    output: Output,
    start_time: datetime,
    end_time: datetime | None,
    model: str,
    dry_run: bool,
) -> None:
    """Find the costs of past requests again, by the present prices.

    What was charged to budgets stays. `tollkeeper prices history` tells what was changed.

    \b
    Examples:
      tollkeeper prices apply --from 2026-11-01 --to 2026-12-01 --model gpt-4o --dry-run
      tollkeeper prices apply --from 30d
    """
    end_time = end_time or datetime.now(UTC)
    asked: dict[str, Any] = {
        "start_time": start_time,
        "end_time": end_time,
        "model": model,
        "dry_run": dry_run,
    }
    total: Repricing | None = None
    for some in client.prices.reprice(**asked):
        sums = {it: getattr(total, it, 0) + getattr(some, it) for it in _SUMS}
        total = replace(some, **sums)
        if total.requests != some.requests:
            output.note(f"{total.requests} requests so far")
    assert total is not None, "there is a slice, if with nothing in it"
    if output.as_json:
        output.item(total)
        return
    click.echo(
        f"{total.requests} requests, {total.changed_requests} of them {'would cost' if dry_run else 'cost'} "
        f"something else: {cost(total.before_nano_dollars)} dollars before, {cost(total.after_nano_dollars)} "
        f"after; of {total.unpriced_requests} the cost is not known"
    )


_SUMS = (
    "requests",
    "changed_requests",
    "before_nano_dollars",
    "after_nano_dollars",
    "unpriced_requests",
)


@prices.command()
@manages
def history(client: Client, output: Output) -> None:
    """List when costs of past requests were found again, and by whom, newest first."""
    output.items(
        client.prices.repricings(),
        {
            "AT": lambda it: it.repriced_at,
            "BY": lambda it: it.caller,
            "FROM": lambda it: it.start_time,
            "TO": lambda it: it.end_time,
            "MODEL": lambda it: it.model or "all",
            "REQUESTS": lambda it: it.requests,
            "CHANGED": lambda it: it.changed_requests,
            "BEFORE $": lambda it: cost(it.before_nano_dollars),
            "AFTER $": lambda it: cost(it.after_nano_dollars),
            "UNPRICED": lambda it: it.unpriced_requests,
        },
        none="no costs were found again",
        right=("REQUESTS", "CHANGED", "BEFORE $", "AFTER $", "UNPRICED"),
    )
