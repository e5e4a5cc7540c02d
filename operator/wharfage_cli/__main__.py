"""`wharfage`, also `kubectl wharfage`: what is served at what cost and why, and whether the installation is whole."""

import sys
from datetime import UTC, datetime

import click

from wharfage_cli import examination
from wharfage_cli.asking import decision
from wharfage_cli.budget_commands import budget
from wharfage_cli.connection import Refused, Unreachable
from wharfage_cli.doctor import Level
from wharfage_cli.explanation import explanation, lines, undecided
from wharfage_cli.money import tightest
from wharfage_cli.offers.commands import offers
from wharfage_cli.options import Options, shared
from wharfage_cli.output import print_value, show
from wharfage_cli.reporting.commands import command as report
from wharfage_cli.simulation.commands import compare, simulate
from wharfage_cli.status import line, together

STATUS_COLUMNS = {
    "namespace": "NAMESPACE",
    "name": "NAME",
    "ready": "READY",
    "reason": "REASON",
    "replicas": "REPLICAS",
    "fleet": "FLEET",
    "usd_per_hour": "$/H",
    "usd_per_million_tokens": "$/M-TOK",
    "usd_this_month": "$/MONTH",
    "budget": "BUDGET",
    "lead_time": "LEAD",
    "waiting_for": "WAITING FOR",
}
WIDE_STATUS_COLUMNS = {**STATUS_COLUMNS, "model": "MODEL", "endpoint": "ENDPOINT"}
FINDING_COLUMNS = {"level": "", "subject": "WHAT", "message": "FOUND", "fix": "DO"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wharfage")
@shared
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Cost-aware LLM serving on Kubernetes."""
    ctx.ensure_object(Options)


@cli.command()
@click.argument("name", required=False)
@click.option("-A", "--all-namespaces", is_flag=True, help="Every namespace.")
@shared
@click.pass_obj
def status(options: Options, name: str | None, all_namespaces: bool) -> None:
    """Say of each deployment: is it serving, with what, at what cost, and what is it waiting for."""
    connection = options.connection()
    found = examination.deployments(connection, name=name, everywhere=all_namespaces)
    budgets, namespaces, now = examination.budgets(connection), examination.namespaces(connection), datetime.now(UTC)
    lines = [line(each, budget=tightest(each, budgets, namespaces, now=now)) for each in found]
    if not lines and options.is_table:
        where = "any namespace" if all_namespaces else f"namespace {connection.namespace}; -A shows those of all"
        click.echo(f"No LLMDeployment in {where}.", err=True)
        return
    show(lines, WIDE_STATUS_COLUMNS if options.form == "wide" else STATUS_COLUMNS, form=options.form)
    if len(lines) > 1 and options.is_table:
        click.echo(f"\n{together(lines)}")


@cli.command()
@click.option("--operator-namespace", default="wharfage-system", show_default=True, help="Where the operator runs.")
@click.option("--watched", multiple=True, metavar="NAMESPACE", help="A namespace it serves; default: all. Repeatable.")
@click.option("--service-account", help="NAMESPACE/NAME: ask for its permissions instead of your own.")
@shared
@click.pass_obj
def doctor(options: Options, operator_namespace: str, watched: tuple[str, ...], service_account: str | None) -> None:
    """Check permissions, API versions, the operator's life, price age, obtainable offers, budgets and the ledger."""
    findings = examination.findings(
        options.connection(),
        operator_namespace=operator_namespace,
        watched=watched,
        service_account=service_account,
        now=datetime.now(UTC),
    )
    show(findings, FINDING_COLUMNS, form=options.form)
    sys.exit(any(finding.level is Level.ERROR for finding in findings))


@cli.command()
@click.argument("name")
@click.option("--operator", metavar="URL", help="Ask the operator there; default: through the API server.")
@click.option("--operator-namespace", default="wharfage-system", show_default=True, help="Where the operator runs.")
@click.option("--json", "as_json", is_flag=True, help="The operator's page, and what the replay came to.")
@shared
@click.pass_obj
def explain(options: Options, name: str, operator: str | None, operator_namespace: str, as_json: bool) -> None:
    """Say why a deployment runs what it runs, and decide it once more from what the operator looked at.

    Exits with 1 where the replay comes to something else.
    """
    connection = options.connection()
    (found,) = examination.deployments(connection, name=name)
    try:
        page = decision(connection, name, operator=operator, operator_namespace=operator_namespace)
    except Refused as refused:
        why = undecided(found) if refused.status == 404 else ""
        raise (Refused(404, why) if why else refused) from None
    try:
        told = explanation(connection.namespace, name, page)
    except ValueError as error:
        raise Refused(502, f"what the operator answered is no decision: {error}; is --operator its address?") from None
    if as_json or not options.is_table:
        print_value({**page, "replay": {"same": told.same, "differs": list(told.differs)}}, form=options.form)
    else:
        click.echo("\n".join(lines(told, found)))
    sys.exit(0 if told.same else 1)


cli.add_command(budget)
cli.add_command(compare)
cli.add_command(offers)
cli.add_command(report)
cli.add_command(simulate)


def main() -> None:
    """Run the command line; what the user can mend is said in one line, without a traceback."""
    try:
        cli(prog_name="wharfage")
    except (Refused, Unreachable) as trouble:
        click.echo(f"wharfage: {trouble}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
