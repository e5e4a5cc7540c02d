"""Words and figures made fit for a status: one line, bounded, the one that matters; and no new figure for nothing."""

import re

KEPT = 0.05  # a smaller relative change is not worth a write
LONGEST = 900  # characters; a status holds eight conditions and must stay under 10 kB

# vLLM prefixes each line with the process and, in its logs, with level, date and place.
_PREFIX = re.compile(
    r"^\s*(?:\(\w+(?: pid=\d+)?\)\s*)*"
    r"(?:(?:ERROR|WARNING|INFO|CRITICAL)\s+\d\d-\d\d \d\d:\d\d:\d\d\s+(?:\[[^\]]*\]\s*)?)?"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt): \S")
_ARGUMENT = re.compile(r"^[\w.-]+(?: serve)?: error: ")
# These say that something failed elsewhere; what failed stands further up.
_INDIRECT = ("Engine core initialization failed", "Engine process failed to start", "WorkerProc initialization failed")


def last_error(text: str) -> str:
    """The most telling line of a log's end: the last error that names a cause, else the last line with text."""
    lines = [line for raw in text.splitlines() if (line := bare(raw))]
    errors = [line for line in lines if _ERROR.match(line) or _ARGUMENT.match(line)]
    telling = [line for line in errors if not any(words in line for words in _INDIRECT)]
    for candidates in (telling, errors, lines):
        if candidates:
            return tidy(candidates[-1])
    return ""


def bare(line: str) -> str:
    """The line without colours and without the logger's prefix."""
    return _PREFIX.sub("", _ANSI.sub("", line), count=1).strip()


def tidy(text: str, *, longest: int = LONGEST) -> str:
    """One line without control characters, cut at the end where it is too long."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in _ANSI.sub("", text)).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def figure(value: float, before: str | None) -> str:
    """A number for people, in the old words where it has hardly moved."""
    if before is not None:
        try:
            old = float(before)
        except ValueError:
            old = 0.0
        if old and abs(value - old) < KEPT * abs(old):
            return before
    return f"{value:.0f}" if value >= 1000 else f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.3g}"
