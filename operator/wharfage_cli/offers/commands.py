"""The commands `wharfage offers` and `wharfage offers build`: files and the network here, everything else beside it."""

import gzip
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
from wharfage_operator.kinds import NODE_POOLS, NODES, OFFER_CATALOGS
from wharfage_operator.obtainable import Obtainability, obtainability

from wharfage_cli.connection import Connection, Refused
from wharfage_cli.offers.advisor import UnreadableAdvice
from wharfage_cli.offers.apply import Withheld, apply
from wharfage_cli.offers.building import Built, Request, build, observed
from wharfage_cli.offers.catalog import MOST_OFFERS, NoCatalog, layout
from wharfage_cli.offers.change import report
from wharfage_cli.offers.hunt import PROVIDERS, Hunted, NoPrices, hunt
from wharfage_cli.offers.listing import lines, nothing, summary
from wharfage_cli.offers.opencost import NoOpenCost, repriced, running
from wharfage_cli.offers.price import Problem
from wharfage_cli.offers.table import UnreadableTable, table
from wharfage_cli.options import Options, shared
from wharfage_cli.output import show

COLUMNS = {
    "catalog": "CATALOG",
    "offer": "OFFER",
    "accelerator": "ACCELERATOR",
    "market": "MARKET",
    "zone": "ZONE",
    "usd_per_hour": "$/H",
    "interruptions_per_month": "LOST/MONTH",
    "obtainable": "OBTAINABLE",
    "through": "THROUGH",
}
GPUHUNT = "gpuhunt"
MOST_PROBLEMS_SHOWN = 20


@click.group(invoke_without_command=True)
@click.option("--accelerator", "accelerators", multiple=True, help="Only these, by name: L4, H100. Repeatable.")
@click.option("--obtainable", is_flag=True, help="Only what this cluster can give.")
@click.option(
    "--node-group", "node_groups", multiple=True, metavar="CATALOG/OFFER", help="As in the chart's nodeGroups."
)
@shared
@click.pass_context
def offers(ctx: click.Context, accelerators: Sequence[str], obtainable: bool, node_groups: Sequence[str]) -> None:
    """List what the catalogs offer: price, market, whether this cluster can give it, and what would admit it."""
    if ctx.invoked_subcommand is not None:
        return
    options: Options = ctx.obj
    connection = options.connection()
    catalogs = _items(connection, OFFER_CATALOGS.path())
    world = _world(connection, node_groups)
    shown = lines(catalogs, world, accelerators)
    if obtainable:
        shown = [line for line in shown if line.obtainable == "yes"]
    if not shown and options.is_table:
        click.echo(nothing(catalogs, lines(catalogs, world), accelerators), err=True)
        return
    show(shown, COLUMNS, form=options.form)
    if options.is_table:
        click.echo(f"\n{summary(shown, catalogs)}")


@offers.command(name="build")
@click.option("--provider", required=True, type=click.Choice(["aws", "gcp", "azure", "onprem", "other"]))
@click.option("--region", required=True, help="The provider's name of it: us-east-1.")
@click.option(
    "--from", "source", default=GPUHUNT, show_default=True, metavar="gpuhunt|FILE", help="Where prices are from."
)
@click.option("--name", help="Name of the catalog; default: PROVIDER-REGION.")
@click.option("--origin", help="Where the file's prices are from, for the catalog's annotation; default: its name.")
@click.option("--observed-at", metavar="DATE", help="When the prices were true, for a table that does not say.")
@click.option("--max-age-days", type=click.IntRange(min=1), default=30, show_default=True, help="Older is a problem.")
@click.option("--usd-per-unit", default="1", metavar="RATE", help="Dollars per unit, for prices in another currency.")
@click.option("--spot-advisor", type=click.Path(path_type=Path), help="AWS's spot-advisor-data.json, or a CSV.")
@click.option("--spot-origin", help="Where the advice is from, for the annotation; default: its file's name.")
@click.option("--no-estimate", multiple=True, metavar="PATTERN", help="Machines without estimated spot price: 'p5*'.")
@click.option("--opencost", metavar="URL", help="A Prometheus that reads OpenCost: its prices of what runs hold.")
@click.option("--max-offers", type=click.IntRange(1, MOST_OFFERS), default=MOST_OFFERS, show_default=True)
@click.option("--skip-bad-rows", is_flag=True, help="List rows that are wrong, and go on without them.")
@click.option("-o", "output", type=click.Path(path_type=Path), metavar="FILE", help="Write the YAML there.")
@click.option("--apply", "write", is_flag=True, help="Bring it to the cluster: only what changed, and say what.")
@click.option("--dry-run", is_flag=True, help="With --apply: say what would change, write nothing.")
@click.option("--force-conflicts", is_flag=True, help="With --apply: take over what another writer holds.")
@click.option("--accept-large-changes", is_flag=True, help="With --apply: believe moves beyond a factor of ten.")
@click.pass_obj
def build_command(
    options: Options, /, *,
    provider: str, region: str, source: str, name: str | None, origin: str | None,
    observed_at: str | None, max_age_days: int, usd_per_unit: str,
    spot_advisor: Path | None, spot_origin: str | None, no_estimate: Sequence[str], opencost: str | None,
    max_offers: int, skip_bad_rows: bool,
    output: Path | None, write: bool, dry_run: bool, force_conflicts: bool, accept_large_changes: bool,
) -> None:  # fmt: skip
    """Make an OfferCatalog of gpuhunt's prices, or of a table of your own (docs/reference/offers-csv.md)."""
    if (dry_run or force_conflicts or accept_large_changes) and not write:
        raise click.UsageError("--dry-run, --force-conflicts and --accept-large-changes go with --apply")
    try:
        found = _found(source, provider)
        if opencost is not None:
            found = _paid(found, opencost, region, usd_per_unit)
        request = Request(
            provider=provider,
            region=region,
            name=name or f"{provider}-{region}",
            origin=origin or found.source,
            now=datetime.now(UTC),
            max_age=timedelta(days=max_age_days),
            observed_at=observed(observed_at) if observed_at else found.observed_at,
            usd_per_unit=_rate(usd_per_unit),
            max_offers=max_offers,
            advice=(_text(spot_advisor), spot_advisor.name) if spot_advisor else None,
            advice_origin=spot_origin or "",
            not_estimated=tuple(no_estimate),
        )
        built = build(found.records, request)
    except (NoOpenCost, NoPrices, UnreadableTable, UnreadableAdvice, NoCatalog) as error:
        raise click.ClickException(str(error)) from error
    _tell(built, skip_bad_rows=skip_bad_rows)
    text = layout(built.manifest, built.comments)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    elif not write:
        click.echo(text, nl=False)
    if write:
        _apply(options.connection(), built, dry_run=dry_run, force=force_conflicts, accept=accept_large_changes)


def _apply(connection: Connection, built: Built, *, dry_run: bool, force: bool, accept: bool) -> None:
    """Bring it to the cluster, and say what became of it."""
    try:
        outcome = apply(connection, built.manifest, force_conflicts=force, accept_large_changes=accept, dry_run=dry_run)
    except Withheld as withheld:
        raise click.ClickException(str(withheld)) from withheld
    verb = _verb(written=outcome.written, dry_run=dry_run, exists=outcome.change.exists)
    click.echo(f"offercatalog/{built.manifest['metadata']['name']} {verb}")
    for line in report(outcome.change):
        click.echo(f"  {line}")
    if outcome.kept:
        click.echo(f"  kept, as another writer applied them: {', '.join(outcome.kept)}")


def _verb(*, written: bool, dry_run: bool, exists: bool) -> str:
    if dry_run:
        return "would become (dry run)"
    if not written:
        return "unchanged"
    return "updated" if exists else "created"


def _found(source: str, provider: str) -> Hunted:
    """The records that the options name, where they are from, and of when they are."""
    if source == GPUHUNT:
        if provider not in PROVIDERS:
            raise click.UsageError(f"gpuhunt knows {', '.join(PROVIDERS)}: pass --from FILE for {provider}")
        hunted = hunt(provider)
        for line in hunted.unreadable:
            click.echo(line, err=True)
        return hunted
    path = Path(source)
    read = table(_text(path), path.name)
    if read.unknown_columns:
        click.echo(f"columns that mean nothing here: {', '.join(read.unknown_columns)}", err=True)
    return Hunted(read.records, path.name)


def _paid(found: Hunted, url: str, region: str, usd_per_unit: str) -> Hunted:
    """The records with OpenCost's prices of what runs; says on stderr of which, and what runs beside them."""
    if _rate(usd_per_unit) != 1:
        raise click.UsageError("--opencost goes with prices in dollars: leave --usd-per-unit out")
    paid = repriced(found.records, running(url), region)
    for words, machines in (("priced by OpenCost", paid.changed), ("runs, but has no row", paid.unknown)):
        if machines:
            names = ", ".join(f"{machine} {market.value}" for machine, _, market in machines)
            click.echo(f"{words}: {names}", err=True)
    return replace(found, records=paid.records, source=f"{found.source}; {len(paid.changed)} by OpenCost")


def _tell(built: Built, *, skip_bad_rows: bool) -> None:
    """Say on stderr what was left out; end here where rows are wrong and the user did not ask to go on."""
    for kind in dict.fromkeys(kind for kind, _ in built.left_out):
        counts = {name: count for (of, name), count in built.left_out.items() if of == kind}
        names = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.items())
        click.echo(f"left out: {_rows(sum(counts.values()))} of {kind}: {names}", err=True)
    if built.not_kept:
        click.echo(f"left out by --max-offers: {', '.join(built.not_kept)}", err=True)
    if not built.problems:
        return
    _show_problems(built.problems)
    if not skip_bad_rows:
        rows = _rows(len(built.problems))
        raise click.ClickException(f"{rows} wrong: mend the table, or pass --skip-bad-rows to go on without")


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _show_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:MOST_PROBLEMS_SHOWN]:
        click.echo(str(problem), err=True)
    if len(problems) > MOST_PROBLEMS_SHOWN:
        click.echo(f"... and {len(problems) - MOST_PROBLEMS_SHOWN} more", err=True)


def _text(path: Path) -> str:
    """A text file, unpacked where its name ends in .gz."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error


def _rate(text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or rate <= 0:
        raise click.UsageError(f"--usd-per-unit is {text!r}: write a number greater than 0, such as 1.08")
    return rate


def _items(connection: Connection, path: str) -> list[dict[str, Any]]:
    """The objects of a kind; none where the cluster does not have the kind."""
    try:
        found: list[dict[str, Any]] = connection.get(path)["items"]
    except Refused as refused:
        if refused.status == 404:
            return []
        raise
    return found


def _world(connection: Connection, declared: Sequence[str]) -> Obtainability | None:
    """What this cluster can give; None, and a word on stderr, for a user who may not read nodes."""
    try:
        nodes, pools = _items(connection, NODES.path()), _items(connection, NODE_POOLS.path())
    except Refused as refused:
        print(f"whether offers can be had is not known: {refused}", file=sys.stderr)
        return None
    return obtainability(nodes, pools, declared)
