"""Money, ratios and other non-integers: decimal strings outside, `Decimal` inside.

Kubernetes APIs carry no floats (they do not survive a round trip through every client), so `"1.861"`
is quoted in YAML. An unquoted number is refused by the API server with a type error.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from wharfage_api.part import Rule, rules

DECIMAL = "^[0-9]{1,9}([.][0-9]{1,6})?$"
SHARE = "^(0([.][0-9]{1,6})?|1([.]0{1,6})?)$"


def _parsed(pattern: str, *, above_zero: bool) -> BeforeValidator:
    def parse(value: Any) -> Decimal:
        if isinstance(value, Decimal):
            return value
        if not isinstance(value, str) or not re.fullmatch(pattern.strip("^$"), value):
            raise ValueError(f'write a decimal in quotes, such as "0.5" or "12.34", not {value!r}')
        if above_zero and Decimal(value) == 0:
            raise ValueError(f"write a number greater than 0, not {value!r}")
        return Decimal(value)

    return BeforeValidator(parse)


def _schema(pattern: str, *further: Rule) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": 16, "pattern": pattern} | rules(*further))


_WRITTEN = Rule(f"self.matches('{DECIMAL}')", 'write a decimal number in quotes, such as "0.5" or "12.34"')
_ABOVE_ZERO = Rule(f"!self.matches('{DECIMAL}') || double(self) > 0.0", "write a number greater than 0")
_IN_QUOTES = PlainSerializer(str, return_type=str)

Number = Annotated[Decimal, _parsed(DECIMAL, above_zero=False), _IN_QUOTES, _schema(DECIMAL, _WRITTEN)]
"""A non-negative decimal."""

PositiveNumber = Annotated[
    Decimal, _parsed(DECIMAL, above_zero=True), _IN_QUOTES, _schema(DECIMAL, _WRITTEN, _ABOVE_ZERO)
]
"""A decimal greater than zero."""

Usd = Annotated[
    Decimal,
    _parsed(DECIMAL, above_zero=True),
    _IN_QUOTES,
    _schema(
        DECIMAL,
        Rule(f"self.matches('{DECIMAL}')", 'write dollars as a decimal in quotes, such as "40" or "1.861"'),
        Rule(f"!self.matches('{DECIMAL}') || double(self) > 0.0", 'write dollars greater than 0, such as "40"'),
    ),
]
"""US dollars, greater than zero."""

Share = Annotated[
    Decimal,
    _parsed(SHARE, above_zero=False),
    _IN_QUOTES,
    _schema(SHARE, Rule(f"self.matches('{SHARE}')", 'write a share from 0 to 1 in quotes, such as "0.6" or "1"')),
]
"""A ratio from 0 to 1, both included."""

Figure = Annotated[str, WithJsonSchema({"type": "string", "maxLength": 32})]
"""A number the operator has written into a status, rounded for reading."""
