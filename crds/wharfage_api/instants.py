"""Points in time, RFC 3339 with a zone: `2026-12-01T08:00:00Z`."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, PlainSerializer, WithJsonSchema

from wharfage_api.part import Rule, rules

_DATE = (
    "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))"
)
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
INSTANT = f"^{_DATE}T{_TIME}$"
"""All of it but which years have a 29th of February."""


def written(instant: datetime) -> str:
    """The instant as Kubernetes writes it: whole seconds, `Z` for UTC."""
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    PlainSerializer(written, return_type=str),
    WithJsonSchema(
        {"type": "string", "maxLength": 40, "pattern": INSTANT}
        | rules(
            Rule(
                f"self.matches('{INSTANT}')", "write a time with date and zone (RFC 3339), such as 2026-12-01T08:00:00Z"
            )
        )
    ),
]
"""A point in time with its zone."""
