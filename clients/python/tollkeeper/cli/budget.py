"""`tollkeeper budget`: how limits stand, and what a request would take of them."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from tollkeeper.cli.files import FILE, read_file
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.messages.problems import plain
from tollkeeper.money import CENT_DIGITS, dollars
from tollkeeper.values.explanation import ExplainedReservation, Explanation
from tollkeeper.values.limits import BudgetNotice, Limit, LimitMeasure, LimitScope

_BYTES_A_TOKEN = 4
_SCOPES = (LimitScope.TOKEN, LimitScope.PROJECT, LimitScope.MODEL, LimitScope.LISTENER)
_F = TypeVar("_F", bound=Callable[..., object])


@click.group(no_args_is_help=True)
def budget() -> None:
    """Tell how limits and budgets stand, and whether requests would pass them.

    \b
    Examples:
      tollkeeper budget list
      tollkeeper budget list --project prj_…
      tollkeeper budget check --token tok_… --model gpt-4o --prompt-tokens 2000 --max-output 1000 --calls 20
    """


def _of_scope(command: _F) -> _F:
    for scope in reversed(_SCOPES):
        metavar = "ID" if scope in {LimitScope.TOKEN, LimitScope.PROJECT} else "NAME"
        command = click.option(f"--{scope}", default="", metavar=metavar, help=f"Only the {scope}'s.")(
            command
        )
    return click.option("--gateway", is_flag=True, help="Only those of the gateway as a whole.")(command)


@budget.command("list")
@_of_scope
@click.option("--all", "with_rates", is_flag=True, help="Rates and requests at once, too.")
@click.option(
    "--max-results", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most."
)
@manages
def list_(
    client: Client,
    output: Output,
    /,
    gateway: bool,
    with_rates: bool,
    max_results: int,
    **named: str,
) -> None:
    """List budgets: what is used, reserved and left of each, the nearest to their limits first."""
    given = [(scope, named[scope]) for scope in _SCOPES if named[scope]]
    if gateway:
        given.append((LimitScope.GATEWAY, ""))
    if len(given) > 1:
        raise click.UsageError("give one of --token, --project, --model, --listener and --gateway at most")
    scope, scope_id = given[0] if given else (None, "")
    found = client.limits.standings(
        scope, scope_id, budgets_only=not (with_rates or given), max_results=max_results
    )
    if output.as_json:
        output.item(found)
        return
    output.items(
        found.standings,
        {
            "SCOPE": lambda it: _scope(it.scope, it.scope_name or it.scope_id),
            "LIMIT": lambda it: it.limit,
            "USED": lambda it: _amount(it.limit, it.used) if it.is_known and it.limit.period else "",
            "RESERVED": lambda it: _amount(it.limit, it.reserved) if it.reserved else "",
            "LEFT": lambda it: _amount(it.limit, it.left) if it.is_known else "not known",
            "TAKEN": lambda it: f"{it.share:.0%}" if it.is_known else "",
            "RESETS": lambda it: it.resets_at,
            "BEYOND": lambda it: f"{it.thresholds[-1]} %" if it.thresholds else "",
        },
        none="no budgets",
        right=("USED", "RESERVED", "LEFT", "TAKEN", "BEYOND"),
        shortened=("SCOPE",),
    )
    if found.tokens_left_out:
        output.note("more than 1,000 tokens have limits; those that were used latest were looked at")


@budget.command()
@manages
def notices(client: Client, output: Output) -> None:
    """List the notices of budgets that have reached 80 or 95 percent, newest first."""
    columns: dict[str, Callable[[BudgetNotice], object]] = {
        "AT": lambda it: it.noticed_at,
        "SCOPE": lambda it: _scope(it.scope, it.scope_name or it.scope_id),
        "BUDGET": lambda it: it.limit,
        "REACHED": lambda it: f"{it.percent} %",
        "PERIOD SINCE": lambda it: it.period_start or "ever",
        "PROCESS": lambda it: it.process,
    }
    output.items(client.limits.notices(), columns, none="no notices", right=("REACHED",))


@budget.command()
@click.option("--token", default="", metavar="TOKEN", help="The token's secret or id.")
@click.option("--project", default="", metavar="ID", help="The project, if no token is given.")
@click.option("--model", default="", metavar="NAME", help="The model that is asked for.")
@click.option("--body", type=FILE, help="A file with the request's JSON body, which names its model.")
@click.option("--prompt", type=FILE, help="A file with the prompt, which counts by its size.")
@click.option("--prompt-bytes", type=click.IntRange(1), metavar="N", help="The size of the prompt.")
@click.option(
    "--prompt-tokens", type=click.IntRange(1), metavar="N", help="The same in tokens, of four bytes each."
)
@click.option("--max-output", type=click.IntRange(1), metavar="N", help="The answer's maximum, in tokens.")
@click.option(
    "--calls", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="So many at once."
)
@click.option("--path", default="", metavar="PATH", help="[default: /v1/chat/completions]")
@click.option("--listener", default="", metavar="NAME", help="[default: the gateway's own data plane]")
@manages
@click.pass_context
def check(
    context: click.Context,
    client: Client,
    output: Output,
    token: str,
    project: str,
    model: str,
    body: Path | None,
    prompt: Path | None,
    prompt_bytes: int | None,
    prompt_tokens: int | None,
    max_output: int | None,
    calls: int,
    path: str,
    listener: str,
) -> None:
    """Tell whether requests would be admitted, and what they reserve of each limit. Nothing is sent.

    The exit status is 1 if they would not all be admitted.

    \b
    Examples:
      tollkeeper budget check --token tok_… --body request.json
      tollkeeper budget check --project prj_… --model gpt-4o --prompt-tokens 8000 --max-output 2000 --calls 50
    """
    if bool(token) == bool(project):
        raise click.UsageError("give one of --token and --project")
    sizes = [it for it in (body, prompt, prompt_bytes, prompt_tokens) if it is not None]
    if len(sizes) > 1:
        raise click.UsageError("give one of --body, --prompt, --prompt-bytes and --prompt-tokens at most")
    if body is not None and (max_output or model):
        raise click.UsageError("--body says the model and the answer's maximum itself")
    size = prompt_bytes or (prompt_tokens or 0) * _BYTES_A_TOKEN
    told = client.configuration.explain(
        token=token,
        project_id=project,
        model=model,
        path=path,
        listener=listener,
        body=read_file(body) if body is not None else "",
        prompt_bytes=len(read_file(prompt).encode()) if prompt is not None else size,
        max_output_tokens=max_output or 0,
        calls=calls,
    )
    if output.as_json:
        output.item(told)
    else:
        _print(output, told, calls)
    if not told.admitted:
        context.exit(1)


def _print(output: Output, told: Explanation, calls: int) -> None:
    if told.admitted:
        click.echo("admitted" if calls == 1 else f"all {calls:,} admitted")
    else:
        refused = next(it for it in told.verdicts if not it.passed)
        many = f"{told.admitted_calls:,} of {calls:,} admitted; then " if calls > 1 else ""
        click.echo(f"{many}refused: {plain(refused.detail)} ({refused.code})")
    columns: dict[str, Callable[[ExplainedReservation], object]] = {
        "SCOPE": lambda it: _scope(it.scope, it.scope_name or it.scope_id),
        "LIMIT": lambda it: it.limit,
        "LEFT": lambda it: _left(it.limit, it.left),
        "RESERVES": lambda it: _amount(it.limit, it.need),
        "LEFT AFTER": lambda it: _left(it.limit, it.left_after),
        "REFUSES": lambda it: _refuses(it, calls),
    }
    output.items(
        told.reservations,
        columns,
        none="no limits hold for it",
        right=("LEFT", "RESERVES", "LEFT AFTER"),
        shortened=("SCOPE",),
    )


def _refuses(it: ExplainedReservation, calls: int) -> str:
    if it.admitted_calls >= calls:
        return ""
    when = f"passes {it.passes_at:%Y-%m-%d %H:%M:%S} UTC" if it.passes_at else "waiting does not help"
    if it.limit.measure is LimitMeasure.CONCURRENT_REQUESTS:
        when = "passes when others have ended"
    return f"after {it.admitted_calls:,}: {when}" if it.admitted_calls else when


def _left(limit: Limit, left: int | None) -> str:
    return "not known" if left is None else _amount(limit, left)


def _scope(scope: LimitScope, name: str) -> str:
    return f"{scope} {plain(name)}" if name else str(scope)


def _amount(limit: Limit, amount: int) -> str:
    if limit.measure is not LimitMeasure.MONEY:
        return f"{amount:,}"
    return f"${dollars(amount, CENT_DIGITS)}"
