"""Say at start which permission is missing, instead of retrying refusals until the process dies."""

import asyncio

from wharfage_operator.connection import Connection
from wharfage_operator.errors import ApiError
from wharfage_operator.permissions import Permission, absent_groups, permissions, review
from wharfage_operator.rules import rules
from wharfage_operator.settings import Settings

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE = 8


async def missing(connection: Connection, settings: Settings) -> list[str]:
    """One sentence per permission that the operator needs and does not have; ApiError if none could be asked."""
    absent = await _absent(connection)
    needed = tuple(
        permissions(settings.namespace, watched=settings.watch_namespaces, absent=absent, rules=rules(settings))
    )
    turns = asyncio.Semaphore(_AT_ONCE)

    async def allowed(permission: Permission) -> bool:
        async with turns:
            answer = await connection.call("POST", _REVIEWS, body=review(permission))
        return bool(answer["status"].get("allowed"))

    answers = await asyncio.gather(*(allowed(permission) for permission in needed))
    return [f"may not {permission}" for permission, answer in zip(needed, answers, strict=True) if not answer]


async def _absent(connection: Connection) -> frozenset[str]:
    try:
        present = (group["name"] for group in (await connection.call("GET", "/apis")).get("groups", ()))
    except ApiError as error:
        if error.forbidden:
            return frozenset()
        raise
    return absent_groups(present)
