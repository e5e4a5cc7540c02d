"""How the command line prints: tables for people, plain columns in a pipe, JSON and YAML for programs."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

UNKNOWN = "<none>"

_SENTENCES = frozenset({"waiting_for", "says", "message", "fix"})
"""Fields that go below their row where a terminal is too narrow for them beside it."""

_BETWEEN = "   "
_BELOW = "    "


def console() -> Console:
    """A console that colours only on a terminal and honours NO_COLOR."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 400
    return Console(width=width, highlight=False, soft_wrap=True)


def show(rows: Sequence[Any], headings: Mapping[str, str], *, form: str = "table") -> None:
    """Print dataclasses as a table, or as `json` or `yaml`, where what is not known is null.

    `headings` maps fields to column titles.
    """
    if form in ("json", "yaml"):
        print_value([told(row) for row in rows], form=form)
        return
    here = console()
    for text in laid_out(rows, headings, width=here.width if sys.stdout.isatty() else None):
        here.print(text)


def print_value(value: object, *, form: str) -> None:
    """Print for programs: as YAML where that is the form, else as JSON."""
    print(yaml.safe_dump(value, sort_keys=False) if form == "yaml" else json.dumps(value, indent=2))


def told(row: Any) -> dict[str, Any]:
    """A dataclass for programs."""
    return {field: None if value == UNKNOWN else value for field, value in asdict(row).items()}


def laid_out(rows: Sequence[Any], headings: Mapping[str, str], *, width: int | None) -> Iterator[Text]:
    """Columns as wide as their widest cell, the way kubectl prints them; no word is ever broken.

    Where lines are longer than `width` (None: they may be), sentences go below their row.
    """
    cells = [dict(headings)] + [{field: str(getattr(row, field)) for field in headings} for row in rows]
    widths = {field: max(len(line[field]) for line in cells) for field in headings}
    wide = sum(widths.values()) + len(_BETWEEN) * (len(widths) - 1)
    below = _SENTENCES if width is not None and wide > width else frozenset[str]()
    beside = [field for field in headings if field not in below]
    for number, line in enumerate(cells):
        text = Text(_BETWEEN).join(
            Text(line[field].ljust(widths[field]), style="bold" if number == 0 else _colour(field, line[field]))
            for field in beside
        )
        text.rstrip()
        yield text
        for field in headings if number else ():
            if field in below and line[field]:
                yield Text(textwrap.fill(line[field], width or 0, initial_indent=_BELOW, subsequent_indent=_BELOW))


def _colour(field: str, text: str) -> str:
    """Colour what a reader looks for first: is it ready, does it pass."""
    colours = {"True": "green", "False": "red", "Unknown": "yellow", "ok": "green", "warning": "yellow", "error": "red"}
    return colours.get(text, "") if field in ("ready", "level") else ""
