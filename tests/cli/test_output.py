"""The options that every command shares, and how tables are laid out."""

from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner
from wharfage_cli.__main__ import cli
from wharfage_cli.options import Options, shared
from wharfage_cli.output import laid_out, told

HEADINGS = {"name": "NAME", "ready": "READY", "says": "SAYS"}


@dataclass(frozen=True)
class Row:
    name: str
    ready: str
    says: str


ROWS = (Row("chat", "True", ""), Row("search", "False", "no node of the cluster has room for it [yet]"))


@click.group()
@shared
@click.pass_context
def outer(ctx: click.Context) -> None:
    ctx.ensure_object(Options)


@outer.command()
@shared
@click.pass_obj
def inner(options: Options) -> None:
    click.echo(f"{options.context} {options.namespace} {options.form}")


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        pytest.param("inner", "None None table", id="nothing said"),
        pytest.param("-n shop -o json inner", "None shop json", id="before the command, as the docs had it"),
        pytest.param("inner -n shop -o wide", "None shop wide", id="after it, as with kubectl"),
        pytest.param("--context there -n shop inner -n search", "there search table", id="the later one holds"),
    ],
)
def test_options_stand_before_a_command_or_after_it(arguments: str, taken: str) -> None:
    assert CliRunner().invoke(outer, arguments.split()).output == f"{taken}\n"


@pytest.mark.parametrize("command", ["", "status", "doctor", "explain", "offers", "budget", "report"])
def test_every_command_that_asks_a_cluster_takes_them(command: str) -> None:
    found: click.Command = cli.commands[command] if command else cli
    asked = [found, *(each for name, each in getattr(found, "commands", {}).items() if command and name != "build")]
    for each in asked:
        assert {"context", "namespace", "output"} <= {parameter.name for parameter in each.params}, each.name


def plain(width: int | None) -> list[str]:
    return [line for text in laid_out(ROWS, HEADINGS, width=width) for line in text.plain.splitlines()]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert plain(None) == plain(80) == [
        "NAME     READY   SAYS",
        "chat     True",
        "search   False   no node of the cluster has room for it [yet]",
    ]  # fmt: skip


def test_in_a_narrow_terminal_sentences_go_below_and_no_word_is_broken() -> None:
    assert plain(40) == [
        "NAME     READY",
        "chat     True",
        "search   False",
        "    no node of the cluster has room for",
        "    it [yet]",
    ]


def test_what_is_not_known_is_null_for_programs() -> None:
    assert told(Row("chat", "<none>", "")) == {"name": "chat", "ready": None, "says": ""}


def test_what_is_looked_for_first_has_a_colour() -> None:
    heading, ready, missing = laid_out(ROWS, HEADINGS, width=80)
    assert "bold" in {str(span.style) for span in heading.spans}
    assert [{str(span.style) for span in text.spans if span.style} for text in (ready, missing)] == [{"green"}, {"red"}]
