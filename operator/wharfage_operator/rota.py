"""When a deployment's daily work is done: each has its minute of the day, so that hundreds are not all done in one."""

import zlib

from wharfage_autoscaler.snapshot import Key

_DAY_S = 86_400.0


def last_turn_s(key: Key, now_s: float) -> float:
    """When its turn was last, in Unix seconds: within a day before now."""
    minute_s = zlib.crc32("/".join(key).encode()) % 1440 * 60.0
    return now_s - (now_s - minute_s) % _DAY_S


def due(key: Key, done_s: float, now_s: float) -> bool:
    """Whether its turn has come since it was last done; what was never done (minus infinity) is due at once."""
    return done_s < last_turn_s(key, now_s)
