"""Lengths of time as users write them (`250ms`, `15m`, `672h`), and as the operator computes with them.

Go's notation without days: CEL's `duration()` and Kubernetes itself read the same strings.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from wharfage_api.part import Rule, rules

DURATION = "^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$"
_PART = re.compile("([0-9]{1,6}(?:[.][0-9]{1,3})?)(ms|s|m|h)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_SAYS = "write a duration with a unit, such as 250ms, 2s, 15m or 72h (there is no unit for days: 2 days are 48h)"


def parsed(text: Any) -> timedelta:
    """The length of time that a Go-style string without days names.

    Raises:
        ValueError: with a sentence that says how to write it.

    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(f"(?:{_PART.pattern})+", text):
        raise ValueError(f"{_SAYS}; not {text!r}")
    return sum((float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())


def written(length: timedelta) -> str:
    """The shortest Go-style string of that length; whole milliseconds."""
    milliseconds = round(length / timedelta(milliseconds=1))
    for unit in ("h", "m", "s"):
        if milliseconds and milliseconds % round(_UNITS[unit] / timedelta(milliseconds=1)) == 0:
            return f"{milliseconds // round(_UNITS[unit] / timedelta(milliseconds=1))}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def _schema(*further: Rule) -> WithJsonSchema:
    first = Rule(f"self.matches('{DURATION}')", _SAYS)
    return WithJsonSchema({"type": "string", "maxLength": 32, "pattern": DURATION} | rules(first, *further))


_READ = BeforeValidator(parsed)
_WRITE = PlainSerializer(written, return_type=str)

Duration = Annotated[timedelta, _READ, _WRITE, _schema()]
"""A length of time, zero included."""

PositiveDuration = Annotated[
    timedelta,
    _READ,
    _WRITE,
    _schema(
        Rule(
            f"!self.matches('{DURATION}') || duration(self) > duration('0s')",
            "write a duration longer than 0, such as 2s",
        )
    ),
]
"""A length of time greater than zero."""
