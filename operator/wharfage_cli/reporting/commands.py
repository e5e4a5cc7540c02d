"""The command `wharfage report`: the API server here, everything else beside it."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from wharfage_autoscaler.ledger import DAY_S, HOURLY_S, alone

from wharfage_cli import examination
from wharfage_cli.connection import Connection, Refused
from wharfage_cli.examination import API
from wharfage_cli.options import Options, shared
from wharfage_cli.output import print_value
from wharfage_cli.reporting import focus, rendering
from wharfage_cli.reporting.periods import Length, before, span
from wharfage_cli.reporting.prices import prices
from wharfage_cli.reporting.report import PROFILE_S, By, Question, only, report
from wharfage_cli.reporting.sections import sections
from wharfage_cli.reporting.shelf import read
from wharfage_cli.reporting.wastes import wastes

FORMATS = ("table", "md", "csv", "json", "yaml", "html", "focus")


class Zone(click.ParamType[ZoneInfo]):
    """A time zone by its IANA name."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        """Look it up."""
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, OSError, ValueError):
            self.fail(f"{value!r} is no time zone: write an IANA name, such as Europe/Berlin", param, ctx)


@click.command(name="report")
@click.option("--period", type=click.Choice([each.value for each in Length]), default="month", show_default=True)
@click.option("--by", type=click.Choice([each.value for each in By]), default="namespace", show_default=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="A day of the period; default: today.")
@click.option("--zone", type=Zone(), default="UTC", show_default=True, help="Whose calendar.")
@click.option("--operator-namespace", default="wharfage-system", show_default=True, help="Where the ledger is.")
@shared
@click.pass_obj
def command(
    options: Options, period: str, by: str, form: str, at: datetime | None, zone: ZoneInfo, operator_namespace: str
) -> None:
    """Say what was spent in a period, for whom, what it served, and what was wasted with the patch that ends it.

    It is of all namespaces, unless -n names one.
    """
    if form == "table" and not options.is_table:
        form = options.form
    length, now_s = Length(period), datetime.now(UTC).timestamp()
    asked = span(length, zone, now_s if at is None else at.replace(tzinfo=zone).timestamp())
    earlier = before(length, zone, asked)
    if asked.begins_s > now_s:
        raise click.BadParameter(f"the {period} of {at:%Y-%m-%d} is yet to come", param_hint="--at")
    if asked.begins_s < now_s - HOURLY_S:
        days = f"the ledger keeps hours for {HOURLY_S / DAY_S:.0f} days: ask for a later {period}"
        raise click.BadParameter(days, param_hint="--at")
    connection = options.connection()
    from_s = min(earlier.begins_s, now_s - PROFILE_S)
    shelf = read(connection, operator_namespace, from_s=from_s, now_s=now_s)
    question = Question(By(by), asked, earlier, shelf.until_s, options.namespace)
    known = prices(_items(connection, "offercatalogs"))
    period_rows = only(shelf.ledger, question.of).between(asked.begins_s, asked.ends_s)
    if form == "focus":
        rows = focus.rows_by_tenant if question.by is By.TENANT else focus.rows
        click.echo(focus.written(rows(period_rows, known, _cluster(connection))), nl=False)
        return
    found = report(shelf, known, question)
    there = [
        raw
        for raw in examination.deployments(connection, everywhere=options.namespace is None)
        if options.namespace in (None, raw["metadata"]["namespace"])
    ]
    wasted, budgets = wastes(alone(period_rows), there, known), _items(connection, "llmbudgets")
    if form == "csv":
        click.echo(rendering.table(found), nl=False)
    elif form in ("json", "yaml"):
        print_value(rendering.value(found, wasted, budgets), form=form)
    else:
        written = {"table": rendering.text, "md": rendering.markdown, "html": rendering.page}[form]
        click.echo(written(sections(found, wasted, budgets)), nl=False)


def _cluster(connection: Connection) -> focus.Cluster:
    """By the uid of a namespace that every cluster has, as others tell clusters apart; by its address otherwise."""
    address = str(connection.api.configuration.host)
    try:
        return focus.Cluster(str(connection.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]), address)
    except Refused:
        return focus.Cluster(address, address)


def _items(connection: Connection, kind: str) -> list[dict[str, Any]]:
    """All objects of a cluster-wide kind; none where they may not be listed."""
    try:
        items: list[dict[str, Any]] = connection.get(f"{API}/{kind}")["items"]
    except Refused:
        return []
    return items
