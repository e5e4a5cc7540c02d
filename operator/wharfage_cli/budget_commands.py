"""The commands `wharfage budget`, `budget show` and `budget override`."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from wharfage_api import GROUP, VERSION
from wharfage_api.durations import parsed

from wharfage_cli.budgets import line, more, override, preview
from wharfage_cli.connection import Connection, Refused
from wharfage_cli.options import Options, shared
from wharfage_cli.output import print_value, show

PATH = f"/apis/{GROUP}/{VERSION}/llmbudgets"
MANAGER = "wharfage-budget"
COLUMNS = {
    "name": "NAME",
    "period": "PERIOD",
    "usd": "USD",
    "spent": "SPENT",
    "used": "USED",
    "forecast": "EXPECTED",
    "stage": "STAGE",
    "allowance": "$/H LEFT",
    "deployments": "DEPLOYMENTS",
    "says": "SAYS",
}


class Dollars(click.ParamType[Decimal]):
    """A number of dollars that is not negative."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read it."""
        try:
            usd = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is no number of dollars: write 15000", param, ctx)
        if not usd.is_finite() or usd < 0:
            self.fail(f"{value!r}: write dollars from 0 on", param, ctx)
        return usd


class Until(click.ParamType[datetime]):
    """A time with its zone, or how long from now."""

    name = "until"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        try:
            return now + parsed(str(value))
        except ValueError:
            pass
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r}: write 2026-12-01T08:00:00Z, or how long from now: 72h (no days)", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no time zone: write {at:%Y-%m-%dT%H:%M:%S}Z for UTC", param, ctx)
        return at.astimezone(UTC)


@click.group(invoke_without_command=True)
@shared
@click.pass_context
def budget(ctx: click.Context) -> None:
    """Say of each budget: dollars spent, expected and left, and which stage is in force."""
    if ctx.invoked_subcommand is not None:
        return
    options: Options = ctx.obj
    found = options.connection().get(PATH)["items"]
    if not found and options.is_table:
        click.echo("No LLMBudget. docs/howto/budgets.md has one to begin with.", err=True)
        return
    now = datetime.now(UTC)
    show([line(each, now=now) for each in found], COLUMNS, form=options.form)


@budget.command(name="show")
@click.argument("name")
@shared
@click.pass_obj
def one(options: Options, name: str) -> None:
    """Show one budget with the deployments that cost most."""
    found = _named(options.connection(), name)
    found["metadata"].pop("managedFields", None)
    if not options.is_table:
        print_value(found, form=options.form)
        return
    now = datetime.now(UTC)
    shown = line(found, now=now)
    told = [(title.lower(), getattr(shown, field)) for field, title in COLUMNS.items()]
    for title, text in (*told, *more(found, now=now)):
        if text:
            click.echo(f"{title:<12} {text}")


@budget.command(name="override")
@click.argument("name")
@click.option("--usd", type=Dollars(), required=True, help="Dollars per period until then.")
@click.option("--until", type=Until(), required=True, help="2026-12-01T08:00:00Z, or how long from now: 72h.")
@click.option("--reason", required=True, help="Why; it is in the Event and in the report.")
@click.option("--dry-run", is_flag=True, help="Only say what it would change; the API server checks it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@shared
@click.pass_obj
def raise_for_a_while(
    options: Options, name: str, usd: Decimal, until: datetime, reason: str, dry_run: bool, yes: bool
) -> None:
    """Give a budget other dollars for a while; it ends by itself."""
    now = datetime.now(UTC)
    if until <= now:
        raise click.BadParameter(f"{until:%Y-%m-%d %H:%M} UTC is past", param_hint="--until")
    if until - now > timedelta(days=92):
        raise click.BadParameter(
            "write at most 92 days: for longer, change the budget's own dollars", param_hint="--until"
        )
    connection = options.connection()
    found = _named(connection, name)
    wanted = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "LLMBudget",
        "metadata": {"name": name},
        "spec": {"override": override(usd, until, reason)},
    }
    query = {"fieldManager": MANAGER, "force": "true"}
    connection.apply(
        f"{PATH}/{name}", wanted, **query, dryRun="All"
    )  # the API server's own words, before anybody is asked
    click.echo("\n".join(preview(found, usd, until, now=now)))
    if dry_run:
        click.echo("nothing is written: --dry-run")
        return
    if not yes:
        click.confirm("write it?", abort=True)
    connection.apply(f"{PATH}/{name}", wanted, **query)
    click.echo(
        f"written; `kubectl get events --field-selector involvedObject.name={name}` tells what follows in a minute"
    )


def _named(connection: Connection, name: str) -> dict[str, Any]:
    try:
        return connection.get(f"{PATH}/{name}")
    except Refused as refused:
        if refused.status != 404:
            raise
        there = ", ".join(sorted(each["metadata"]["name"] for each in connection.get(PATH)["items"])) or "none"
        raise Refused(404, f"no LLMBudget {name}; there are: {there}") from None
