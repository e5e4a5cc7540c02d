"""How the command line prints: tables for people, plain columns in a pipe, JSON and YAML for programs."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table


def console() -> Console:
    """A console that colours only on a terminal and honours NO_COLOR."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 400
    return Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty())


def show(rows: Sequence[Any], headings: dict[str, str], *, form: str = "table") -> None:
    """Print dataclasses as a table, or as `json` or `yaml`; `headings` maps fields to column titles."""
    if form in ("json", "yaml"):
        print_value([asdict(row) for row in rows], form=form)
        return
    if not sys.stdout.isatty():
        print_columns(rows, headings)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in headings.values():
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(styled(field, str(getattr(row, field))) for field in headings))
    console().print(table)


def print_value(value: object, *, form: str) -> None:
    """Print for programs: as YAML where that is the form, else as JSON."""
    print(yaml.safe_dump(value, sort_keys=False) if form == "yaml" else json.dumps(value, indent=2))


def styled(field: str, text: str) -> str:
    """Colour what a reader looks for first: is it ready, does it pass."""
    colours = {"True": "green", "False": "red", "Unknown": "yellow", "ok": "green", "warning": "yellow", "error": "red"}
    colour = colours.get(text) if field in ("ready", "level") else None
    escaped = text.replace("[", r"\[")
    return f"[{colour}]{escaped}[/]" if colour else escaped


def print_columns(rows: Sequence[Any], headings: dict[str, str]) -> None:
    """Columns as wide as their widest cell, the way kubectl prints them."""
    cells = [list(headings.values())] + [[str(getattr(row, field)) for field in headings] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(headings))]
    for each in cells:
        print("   ".join(text.ljust(width) for text, width in zip(each, widths, strict=True)).rstrip())
