"""`tollkeeper status`: how the gateway is, as the process that answers sees it."""

from collections.abc import Callable, Iterable

import click

from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.cli.status_watch import watch
from tollkeeper.client import Client
from tollkeeper.messages.problems import plain
from tollkeeper.values.status import Attention, ListenerStatus, ProcessStatus, Setting, UpstreamStatus

_SECTIONS = ("upstreams", "listeners", "settings", "attention")


@click.command()
@click.argument("section", type=click.Choice(_SECTIONS), required=False)
@click.option("--watch", "is_watched", is_flag=True, help="Go on with what changes, until interrupted.")
@manages
def status(client: Client, output: Output, section: str | None, is_watched: bool) -> None:
    """Tell how the gateway is: the process that answers, or one SECTION of what it sees.

    With --watch there is a line for each change, with its time in UTC, after those that say how everything
    is; settings don't change. With --json each line is an object, which names what has changed alone.

    \b
    Examples:
      tollkeeper status
      tollkeeper status attention
      tollkeeper status upstreams --json
      tollkeeper status upstreams --watch
    """
    if is_watched:
        if section == "settings":
            raise click.UsageError("--watch: settings don't change while a process runs")
        watch(client, output, section)
        return
    match section:
        case "upstreams":
            _upstreams(output, client.status.upstreams(page_size=1000))
        case "listeners":
            _listeners(output, client.status.listeners())
        case "settings":
            _settings(output, client.status.settings())
        case "attention":
            _attention(output, client.status.attention())
        case _:
            _process(output, client.status.get())


def _process(output: Output, told: ProcessStatus) -> None:
    if output.as_json:
        output.item(told)
        return
    output.items(
        told.parts,
        {
            "PART": lambda it: it.part,
            "STATE": lambda it: it.state,
            "PROBLEM": lambda it: it.problem,
        },
        none="no parts",
    )
    click.echo()
    journal = told.journal
    age = told.snapshot_age
    confirmed = "never confirmed" if age is None else f"confirmed {age.total_seconds():.1f}s ago"
    click.echo(
        f"process   {plain(told.process)}, version {plain(told.version)}, store {plain(told.store_engine)}"
    )
    click.echo(f"ready     {'yes' if told.is_ready else 'no'}, since {_moment(told.started_at)}")
    click.echo(f"revision  {told.revision}, {confirmed}")
    click.echo(
        f"journal   {journal.waiting_events} events wait ({journal.waiting_bytes} bytes), "
        f"{journal.unwritten_events} unwritten, {journal.skipped_lines} lines skipped"
    )
    if told.certificate is not None:
        click.echo(f"TLS       the certificate expires {_moment(told.certificate.expires_at)}")


def _moment(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "-"


def _upstreams(output: Output, found: Iterable[UpstreamStatus]) -> None:
    columns: dict[str, Callable[[UpstreamStatus], object]] = {
        "UPSTREAM": lambda it: it.name,
        "BREAKER": lambda it: it.breaker,
        "RETRY": lambda it: it.retry_at,
        "IN FLIGHT": lambda it: it.in_flight,
        "SUCCESS": lambda it: "-" if it.success_share is None else f"{it.success_share:.0%}",
        "CALLS": lambda it: it.recent_calls,
        "P50": lambda it: it.p50_duration,
        "P95": lambda it: it.p95_duration,
        "LAST ERROR": lambda it: it.last_error,
        "AT": lambda it: it.last_error_at,
        "PROBE": lambda it: it.last_probe and ("passed" if it.last_probe.passed else it.last_probe.problem),
    }
    right = ("IN FLIGHT", "SUCCESS", "CALLS", "P50", "P95")
    shortened = ("UPSTREAM", "LAST ERROR", "PROBE")
    output.items(found, columns, none="no active upstreams", right=right, shortened=shortened)


def _listeners(output: Output, found: Iterable[ListenerStatus]) -> None:
    output.items(
        found,
        {
            "LISTENER": lambda it: it.name,
            "ADDRESS": lambda it: it.address,
            "OPEN": lambda it: it.is_open,
            "TLS": lambda it: it.tls,
            "CONNECTIONS": lambda it: it.connections,
            "PROBLEM": lambda it: it.problem,
        },
        none="no listeners",
        right=("CONNECTIONS",),
    )


def _settings(output: Output, found: Iterable[Setting]) -> None:
    output.items(
        found,
        {
            "SETTING": lambda it: it.name,
            "VALUE": lambda it: it.value,
            "FROM": lambda it: it.source,
            "DEFAULT": lambda it: it.default_value,
        },
        none="no settings",
    )


def _attention(output: Output, found: Iterable[Attention]) -> None:
    things = list(found)
    if output.as_json or not things:
        output.items(things, {}, none="nothing needs attention")
        return
    for it in things:
        subject = f" {plain(it.scope_name or it.subject)}" if it.subject else ""
        since = f" ({_moment(it.since)})" if it.since else ""
        click.echo(f"{it.severity.upper():<7} {it.kind}{subject}: {plain(it.detail)}{since}")
        click.echo(f"        {plain(it.remedy)}")
