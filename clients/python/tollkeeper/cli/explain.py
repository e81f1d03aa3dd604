"""`tollkeeper explain`: the way of a request through the gateway, without making it."""

import click

from tollkeeper.cli.output import Output
from tollkeeper.cli.prices import source_of
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.messages.problems import plain
from tollkeeper.values.explanation import Explanation
from tollkeeper.values.upstream import ConnectFailure


def _header(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for text in values:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{text!r}: expected NAME: VALUE")
        headers[name.strip()] = value.strip()
    return headers


@click.command()
@click.option(
    "--token", required=True, metavar="TOKEN", help="The secret that is presented, or a token's id."
)
@click.option("--model", default="", metavar="NAME", help="The model that is asked for.")
@click.option("--path", default="", metavar="PATH", help="[default: /v1/chat/completions]")
@click.option("--method", default="", metavar="METHOD", help="[default: POST]")
@click.option("--listener", default="", metavar="NAME", help="[default: the gateway's own data plane]")
@click.option(
    "--header", "headers", multiple=True, callback=_header, metavar="NAME: VALUE", help="One more header."
)
@click.option("--stream", "streamed", is_flag=True, help="Ask for an event stream.")
@manages
def explain(
    client: Client,
    output: Output,
    token: str,
    model: str,
    path: str,
    method: str,
    listener: str,
    headers: dict[str, str],
    streamed: bool,
) -> None:
    """Tell where a request would go, and why. Nothing is sent.

    \b
    Examples:
      tollkeeper explain --token tok_… --model gpt-4o
      tollkeeper explain --token tok_… --path /api/items/42 --listener tenant-a
    """
    told = client.configuration.explain(
        token=token,
        model=model,
        path=path,
        method=method,
        listener=listener,
        headers=headers,
        streamed=streamed,
    )
    if output.as_json:
        output.item(told)
        return
    _print(output, told)


def _failure(failure: ConnectFailure | None) -> str:
    if failure is None or failure.is_over:
        return ""
    return f"{failure.reason}{' (proxy)' if failure.at_proxy else ''}"


def _print(output: Output, told: Explanation) -> None:
    for verdict in told.verdicts:
        mark = "ok  " if verdict.passed else "FAIL"
        code = f" ({verdict.code})" if verdict.code else ""
        click.echo(f"{mark} {verdict.step:<9} {plain(verdict.detail)}{code}")
    if told.members:
        click.echo()
        output.items(
            told.members,
            {
                "": lambda it: "->" if it.is_chosen else " ",
                "UPSTREAM": lambda it: it.upstream,
                "MODEL THERE": lambda it: it.upstream_model,
                "WEIGHT": lambda it: it.weight,
                "BREAKER": lambda it: it.breaker,
                "IN FLIGHT": lambda it: it.in_flight,
                "SUCCESS": lambda it: "-" if it.success_share is None else f"{it.success_share:.0%}",
                "MS": lambda it: round(it.average_duration.total_seconds() * 1000),
                "SCORE": lambda it: f"{it.score:.0f}",
                "CONNECT FAILURE": lambda it: _failure(it.connect_failure),
                "URL": lambda it: it.url,
                "PROXY": lambda it: it.proxy,
            },
            none="no upstreams",
            right=["WEIGHT", "IN FLIGHT", "SUCCESS", "MS", "SCORE"],
        )
    if told.headers:
        click.echo()
        for name, value in told.headers:
            click.echo(f"{plain(name)}: {plain(value)}")
    if told.fallbacks:
        click.echo(f"\nfallbacks: {', '.join(map(plain, told.fallbacks))}")
    if told.billed is not None:
        click.echo(f"\nprice: {source_of(told.billed)}")
        for price in told.billed.prices:
            click.echo(f"  {price}")
        if told.billed.max_output:
            click.echo(f"  an answer has {told.billed.max_output} tokens at most")
