"""A report in the formats that it is asked for: plain text, Markdown, one HTML page, CSV, values for programs."""

import csv
import html
import io
from collections.abc import Iterator, Sequence
from typing import Any

from wharfage_cli.reporting.report import Report, clock
from wharfage_cli.reporting.sections import Section, figures
from wharfage_cli.reporting.wastes import Waste

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid #d8dee4;white-space:nowrap}"
    ".text{text-align:left}tr:last-child td{border-bottom:0}th{background:#f6f8fa}"
    "pre{background:#f6f8fa;padding:.7rem;overflow-x:auto;white-space:pre-wrap}div{overflow-x:auto}"
)


def text(sections: Sequence[Section]) -> str:
    """Columns as wide as their widest cell, and sentences below."""
    return "\n".join(_text_lines(sections)).rstrip() + "\n"


def _text_lines(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        yield section.title
        if section.rows:
            cells = [section.headings, *section.rows]
            widths = [max(len(row[place]) for row in cells) for place in range(len(section.headings))]
            for row in cells:
                aligned = (_aligned(*each) for each in zip(row, widths, _right(section), strict=True))
                yield "  " + "   ".join(aligned).rstrip()
        yield from (f"  {note}" for note in section.notes)
        yield ""


def _right(section: Section) -> list[bool]:
    """Which columns stand to the right: those of figures."""
    return [any(is_figure(row[place]) for row in section.rows) for place in range(len(section.headings))]


def _aligned(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def is_figure(text: str) -> bool:
    """Whether a cell is a number, with whatever unit."""
    first, _, rest = text.removeprefix("+").removeprefix("-").partition(" ")
    return first.replace(",", "").replace(".", "").isdigit() and len(rest) <= 1


def markdown(sections: Sequence[Section]) -> str:
    """Tables as GitHub shows them; commands in fences."""
    return "\n".join(_markdown_lines(sections)).rstrip() + "\n"


def _markdown_lines(sections: Sequence[Section]) -> Iterator[str]:
    yield "# Cost of LLM serving"
    for section in sections:
        yield from ("", f"## {section.title}", "")
        if section.rows:
            yield f"| {' | '.join(section.headings)} |"
            yield "|" + "|".join("---:" if right else "---" for right in _right(section)) + "|"
            yield from (f"| {' | '.join(map(_cell, row))} |" for row in section.rows)
            yield ""
        sentences, commands = _parted(section)
        yield from (f"- {note}" for note in sentences)
        if commands:
            yield from ("```sh", *commands, "```")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(sections: Sequence[Section]) -> str:
    """One HTML page that needs nothing else."""
    body = "".join(map(_html, sections))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cost of LLM serving</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Cost of LLM serving</h1>{body}</body></html>\n"
    )


def _html(section: Section) -> str:
    found = f"<h2>{html.escape(section.title)}</h2>"
    if section.rows:
        head = _html_row("th", section, section.headings)
        rows = "".join(f"<tr>{_html_row('td', section, row)}</tr>" for row in section.rows)
        found += f"<div><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    sentences, commands = _parted(section)
    found += "".join(f"<p>{html.escape(note)}</p>" for note in sentences)
    return found + (f"<pre>{html.escape(chr(10).join(commands))}</pre>" if commands else "")


def _html_row(tag: str, section: Section, cells: Sequence[str]) -> str:
    kinds = ("" if right else ' class="text"' for right in _right(section))
    return "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))


def _parted(section: Section) -> tuple[list[str], list[str]]:
    """Sentences, and commands to run."""
    commands = [note for note in section.notes if note.startswith("kubectl ")]
    return [note for note in section.notes if note not in commands], commands


def table(report: Report) -> str:
    """CSV of the lines and their sum, for a spreadsheet; empty where a figure is not known."""
    rows = [figures(line) for line in (*report.lines, report.total)]
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def value(report: Report, wastes: Sequence[Waste], budgets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All of it for programs, as JSON and YAML take it."""
    question, saved, ahead = report.question, report.savings, report.forecast
    return {
        "by": question.by.value,
        "begins": clock(question.span.begins_s),
        "ends": clock(question.span.ends_s),
        "until": clock(question.until_s),
        "lines": [figures(line) for line in report.lines],
        "total": figures(report.total),
        "savings": {
            "baseline_usd": round(saved.baseline_usd, 2),
            "baseline_replicas": saved.peak,
            "saved_usd": round(saved.usd, 2),
            "by_spot_usd": round(saved.by_spot_usd, 2),
            "by_count_usd": round(saved.by_count_usd, 2),
        },
        "forecast_usd": None
        if ahead is None
        else {name: round(getattr(ahead, name), 2) for name in ("low", "mid", "high")},
        "gaps": list(report.gaps),
        "budgets": [
            {"name": each["metadata"]["name"], "usd": each["spec"]["usd"], "status": each.get("status") or {}}
            for each in budgets
        ],
        "wastes": [
            {
                "namespace": each.namespace,
                "name": each.name,
                "usd": round(each.usd, 2),
                "why": each.why,
                "patch": each.patch,
                "command": each.command,
            }
            for each in wastes
        ],
    }
