"""What the pilot knows of a deployment, written down and read again: so that a restart of the operator is invisible.

Cooldowns, what a request was worth, the minutes of the last hour, shapes that are unfit, losses of spot, money spent, a
move under way, the law and what `decide` remembers. The optimiser's last answer is left out: it is asked for anew.
"""

from wharfage_autoscaler.experience import Experience

from wharfage_operator.values import Notation

_LOGBOOK = Notation(Experience, left_out=frozenset({"answer"}))


def written(experience: Experience) -> dict[str, object]:
    """The experience as JSON has it."""
    return _LOGBOOK.written(experience)


def read(found: object) -> Experience | None:
    """The experience that was written; None where it is broken, or another release wrote it."""
    return _LOGBOOK.read(found)
