"""What the requests of late were worth: by their mean lengths, and by how full they made the replicas."""

import math
from dataclasses import dataclass

from wharfage_autoscaler.pace import Pace, filled, sure
from wharfage_autoscaler.work import Work

from wharfage_simulator.policy import Seen

MEMORY_S = 300.0


@dataclass(frozen=True, slots=True)
class _Busy:
    """Sums over looks at which all of it was known; a measurement that is missing is never taken for idleness."""

    arrived: float = 0.0
    running: float = 0.0
    output_tokens: float = 0.0
    room: float = 0.0
    """Planned requests that the serving replicas carry within their objectives."""

    @property
    def known(self) -> bool:
        """Whether it says anything."""
        return self.arrived > 0.0 and self.output_tokens > 0.0

    def later(self, seen: Seen, kept: float) -> "_Busy":
        """After one more look; that share of what was known still counts."""
        room = sum(pool.ready * pool.good_rps for pool in seen.pools)
        complete = seen.rps_1m > 0.0 and seen.running > 0.0 and room > 0.0  # NaN, too
        looks = (seen.rps_1m, seen.running, seen.output_tokens_per_s, room) if complete else (0.0, 0.0, 0.0, 0.0)
        sums = (self.arrived, self.running, self.output_tokens, self.room)
        return _Busy(*(kept * before + look for before, look in zip(sums, looks, strict=True)))

    def worth(self, pace: Pace) -> float:
        """What an arriving request takes of the replicas, in planned ones."""
        return filled(pace, self.running / self.output_tokens) * self.room / self.arrived


@dataclass(slots=True)
class Lately:
    """Sums of what was seen, the older the lighter: a few long prompts are no trend."""

    worth_now: float = 1.0
    """Work per request, in requests of the planned kind."""
    _requests: float = 0.0
    _prompt_tokens: float = 0.0
    _output_tokens: float = 0.0
    _busy: _Busy = _Busy()
    _at_s: float = -math.inf

    def worth(self, seen: Seen, work: Work, pace: Pace | None = None) -> float:
        """The same after one more look, which adds what finished over the last minute.

        `pace` is that of the replicas that serve; None where it is not known.
        """
        finished = seen.finished_rps_1m
        if not finished > 0.0:  # NaN, too
            return self.worth_now
        kept = math.exp((self._at_s - seen.now_s) / MEMORY_S)
        self._requests = kept * self._requests + finished
        self._prompt_tokens = kept * self._prompt_tokens + seen.prompt_tokens_per_s
        self._output_tokens = kept * self._output_tokens + seen.output_tokens_per_s
        self._busy = self._busy.later(seen, kept)
        self._at_s = seen.now_s
        lengths = self._prompt_tokens / self._requests, self._output_tokens / self._requests
        self.worth_now = work.each(*lengths)
        if pace is not None and self._busy.known and (weight := sure(pace, work.error(*lengths))) > 0.0:
            self.worth_now += weight * (self._busy.worth(pace) - self.worth_now)
        return self.worth_now
