"""A comparison as one HTML file that needs nothing else: tables, verdicts and pictures, to be mailed or kept."""

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from markdown_it import MarkdownIt

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% }
figure { margin: 2em 0 }
"""


def page(title: str, report: str, pictures: Iterable[tuple[str, bytes]]) -> str:
    """The page of a report in Markdown, as `markdown` writes it, and of PNG pictures with their titles."""
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(report)  # a trace may be called <b>
    sources = ((html.escape(name), base64.b64encode(png).decode()) for name, png in pictures)
    shown = "".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{data}"></figure>\n' for name, data in sources
    )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{rendered}{shown}</html>\n"
    )


def write_page(path: Path, title: str, report: str, pictures: Sequence[tuple[str, Path]]) -> None:
    """Write the page of a report and of pictures in files."""
    path.write_text(page(title, report, [(name, png.read_bytes()) for name, png in pictures]), encoding="utf-8")
