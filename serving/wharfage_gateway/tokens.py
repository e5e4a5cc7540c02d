"""What a tenant may still use: a bucket that refills at its rate, from which a request takes before it runs.

Charged afterwards, a hundred requests at once would all find the same full bucket. So a request reserves the most that
it may come to when it is let in, and what it did not use goes back at its end.
"""

from dataclasses import dataclass, replace

from wharfage_gateway.view import Throttle


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many tokens there are at one moment; below zero after answers that were longer than what they reserved."""

    level: float
    at_s: float


def portion(throttle: Throttle, gateways: int) -> Throttle:
    """One gateway's part of it; each is asked about as often as the others."""
    many = max(1, gateways)
    return replace(throttle, tokens_per_s=throttle.tokens_per_s / many, burst_tokens=throttle.burst_tokens / many)


def full(throttle: Throttle, now_s: float) -> Bucket:
    """A tenant's first one."""
    return Bucket(throttle.burst_tokens, now_s)


def refilled(bucket: Bucket, throttle: Throttle, now_s: float) -> Bucket:
    """The bucket as it is now, by the rate of now: a new stage counts from its first moment on."""
    came = max(0.0, now_s - bucket.at_s) * throttle.tokens_per_s
    return Bucket(min(throttle.burst_tokens, bucket.level + came), max(now_s, bucket.at_s))


def missing_s(bucket: Bucket, throttle: Throttle, tokens: float, now_s: float) -> float:
    """How long until so much can be reserved: 0 for now, infinite where nothing flows.

    A request that may use more than a whole bucket is let in by a full one, which is then below zero for long.
    """
    short = min(tokens, throttle.burst_tokens) - refilled(bucket, throttle, now_s).level
    if short <= 1e-9:
        return 0.0
    return short / throttle.tokens_per_s if throttle.tokens_per_s > 0.0 else float("inf")


def reserved(bucket: Bucket, throttle: Throttle, tokens: float, now_s: float) -> Bucket:
    """The bucket without what a request may come to; ask `missing_s` first."""
    now = refilled(bucket, throttle, now_s)
    return replace(now, level=now.level - tokens)


def settled(bucket: Bucket, throttle: Throttle, was_reserved: float, used: float, now_s: float) -> Bucket:
    """The bucket after a request's end: what it left goes back, what it took beyond goes off."""
    now = refilled(bucket, throttle, now_s)
    return replace(now, level=min(throttle.burst_tokens, now.level + was_reserved - used))
