"""What the pilot knows of a deployment, written down and read again: so that a restart of the operator is invisible.

Cooldowns, what a request was worth, the minutes of the last hour, shapes that are unfit, losses of spot, money spent, a
move under way, the law and what `decide` remembers. The optimiser's last answer is left out: it is asked for anew.
"""

import math

from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.law import Law

from wharfage_operator.values import Notation

_LOGBOOK = Notation(Experience, left_out=frozenset({"answer"}))


def written(experience: Experience) -> dict[str, object]:
    """The experience as JSON has it."""
    return _LOGBOOK.written(experience)


def read(found: object) -> Experience | None:
    """The experience that was written; None where it is broken, or another release wrote it."""
    told = _LOGBOOK.read(found)
    return told if told is not None and _is_law(told.law) else None


def _is_law(law: Law) -> bool:
    """Whether a law can be followed: nothing is unknown, and what is divided by is above zero."""
    return all(math.isfinite(value) and value >= 0.0 for value in law) and all(
        value > 0.0 for value in (law.headroom, law.swing_memory_s, law.drain_s, law.bad_budget)
    )
