"""What is remembered lies in the past: a clock that was ahead and has been set back leaves times that are to come.

Whatever waits for so long since such a time would wait until the clock is there once more, years perhaps. So it is
taken for now: a cooldown begins anew, and what is unfit is so for as long as if it had just been seen.
"""

from dataclasses import replace

from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.law import Held
from wharfage_autoscaler.snapshot import Memory
from wharfage_autoscaler.tempo import Steps
from wharfage_autoscaler.unfit import Unfit
from wharfage_autoscaler.unrest import Regions


def no_later(experience: Experience, now_s: float) -> Experience:
    """The same, in which nothing was later than now."""
    silence, answer = experience.silence, experience.answer
    return replace(
        experience,
        lately=replace(experience.lately, at_s=_past(experience.lately.at_s, now_s)),
        tide=replace(experience.tide, at_s=_past(experience.tide.at_s, now_s)),
        unfit=_unfit(experience.unfit, now_s),
        regions=None if experience.regions is None else _regions(experience.regions, now_s),
        purse=replace(experience.purse, at_s=_past(experience.purse.at_s, now_s)),
        answer=None if answer is None else replace(answer, at_s=_past(answer.at_s, now_s)),
        memory=_memory(experience.memory, now_s, panic_s=experience.law.panic_s),
        silence=replace(silence, since_s=_past(silence.since_s, now_s), heard_s=_past(silence.heard_s, now_s)),
        tuned_s=_past(experience.tuned_s, now_s),
    )


def _memory(memory: Memory, now_s: float, *, panic_s: float) -> Memory:
    tempo = memory.tempo
    return replace(
        memory,
        since=_past(memory.since, now_s),
        held=_held(memory.held, now_s, panic_s=panic_s),
        moved_s=_past(memory.moved_s, now_s),
        tempo=replace(tempo, held=_steps(tempo.held, now_s), asked=_steps(tempo.asked, now_s)),
    )


def _held(held: Held, now_s: float, *, panic_s: float) -> Held:
    return held._replace(
        stretch_s=_past(held.stretch_s, now_s),
        panic_until_s=_past(held.panic_until_s, now_s + panic_s),
        lowered_s=_past(held.lowered_s, now_s),
        mark_s=_past(held.mark_s, now_s),
    )


def _steps(steps: Steps, now_s: float) -> Steps:
    return tuple(step for step in steps if step[0] <= now_s)


def _unfit(unfit: Unfit, now_s: float) -> Unfit:
    return Unfit(
        suspect=None if unfit.suspect is None else (unfit.suspect[0], _past(unfit.suspect[1], now_s)),
        slow={shape: replace(slow, at_s=_past(slow.at_s, now_s)) for shape, slow in unfit.slow.items()},
        gone_s={shape: _past(gone_s, now_s) for shape, gone_s in unfit.gone_s.items()},
    )


def _regions(regions: Regions, now_s: float) -> Regions:
    lost_s = {catalog: _past(at_s, now_s) for catalog, at_s in regions.lost_s.items()}
    return replace(regions, since_s=_past(regions.since_s, now_s), lost_s=lost_s)


def _past(at_s: float, now_s: float) -> float:
    return now_s if at_s > now_s else at_s  # what is not known yet is NaN, and stays so
