"""Brings a catalog to the cluster: server-side apply under its own field manager, where that changes something.

The API server itself says what would change, in a dry run. What other writers hold (a reserved price, a node
group) stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wharfage_operator.kinds import OFFER_CATALOGS

from wharfage_cli.connection import Connection, Refused
from wharfage_cli.offers.change import Change, difference, doubts

FIELD_MANAGER = "wharfage-offers"
_CONFLICT = 409


class Withheld(Exception):  # noqa: N818 -- a state of the world, named as the user sees it
    """Nothing was written; the message says why, and what to pass if it is right."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What changed, whether it was written, and the offers that stay because another writer applied them."""

    change: Change
    written: bool
    kept: tuple[str, ...] = ()


def apply(
    connection: Connection,
    made: Mapping[str, Any],
    *,
    force_conflicts: bool = False,
    accept_large_changes: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Write the catalog if that changes anything.

    Raises:
        Withheld: for a change too large to be believed, and for fields that another writer holds.
        Refused: for what the API server refuses otherwise.

    """
    name = made["metadata"]["name"]
    path = OFFER_CATALOGS.path(name=name)
    before = _present(connection, path)
    try:
        after = _patched(connection, path, made, force=force_conflicts, dry_run=True)
    except Refused as refused:
        if refused.status != _CONFLICT:
            raise
        raise Withheld(
            f"another writer holds fields of offercatalog {name}: pass --force-conflicts to take them over\n{refused}"
        ) from refused
    change = difference(before, after)
    if change.exists and not accept_large_changes and (found := doubts(change)):
        listed = "\n".join(f"  {doubt}" for doubt in found)
        raise Withheld(f"nothing was written: too large to be true; if it is, pass --accept-large-changes\n{listed}")
    wanted = {row["name"] for row in made["spec"]["offers"]}
    kept = tuple(row["name"] for row in after["spec"]["offers"] if row["name"] not in wanted)
    write = not dry_run and not change.nothing
    if write:
        _patched(connection, path, made, force=force_conflicts, dry_run=False)
    return Outcome(change, write, kept)


def _present(connection: Connection, path: str) -> dict[str, Any] | None:
    try:
        return connection.get(path)
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def _patched(
    connection: Connection, path: str, made: Mapping[str, Any], *, force: bool, dry_run: bool
) -> dict[str, Any]:
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
    return connection.apply(path, made, **query, **({"dryRun": "All"} if dry_run else {}))
