"""What the requests of late were worth: by their mean lengths, and by how full they made the replicas."""

import math
from dataclasses import dataclass

from wharfage_autoscaler.pace import Pace, filled, fullest, sure
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.work import Work

MEMORY_S = 300.0
_NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Busy:
    """Sums over looks at which all of it was known; a measurement that is missing is never taken for idleness."""

    arrived: float = 0.0
    running: float = 0.0
    output_tokens: float = 0.0
    room: float = 0.0
    """Planned requests that the serving replicas carry within their objectives."""
    replicas: float = 0.0
    """That serve."""

    @property
    def known(self) -> bool:
        """Whether it says anything."""
        return self.arrived > 0.0 and self.output_tokens > 0.0

    def heard(self, sight: Sight, kept: float) -> "Busy":
        """After one more look; that share of what was known still counts."""
        room, running, replicas = sight.room_rps, sight.running, float(sight.ready)
        complete = sight.rps_1m > 0.0 and running > 0.0 and room > 0.0  # NaN, too
        looks = (sight.rps_1m, running, sight.output_tokens_per_s, room, replicas) if complete else _NOTHING
        sums = (self.arrived, self.running, self.output_tokens, self.room, self.replicas)
        return Busy(*(kept * before + look for before, look in zip(sums, looks, strict=True)))

    def worth(self, pace: Pace) -> float:
        """What an arriving request takes of the replicas, in planned ones."""
        full = filled(pace, self.running / self.output_tokens)
        if self.replicas > 0.0:  # not written down by an earlier version
            full = min(full, fullest(pace, self.running / self.replicas))
        return full * self.room / self.arrived


@dataclass(frozen=True, slots=True)
class Lately:
    """Sums of what was seen, the older the lighter: a few long prompts are no trend."""

    worth: float = 1.0
    """Work per request, in requests of the planned kind."""
    requests: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    busy: Busy = Busy()
    at_s: float = -math.inf

    def heard(self, sight: Sight, work: Work, pace: Pace | None = None) -> "Lately":
        """After one more look, which adds what finished over the last minute.

        `pace` is that of the replicas that serve; None where it is not known.
        """
        finished = sight.finished_rps_1m
        if not finished > 0.0 or math.isnan(sight.prompt_tokens_per_s + sight.output_tokens_per_s):  # NaN, too
            return self
        kept = math.exp(min(0.0, (self.at_s - sight.now_s) / MEMORY_S))  # a clock may be set back
        requests = kept * self.requests + finished
        prompt_tokens = kept * self.prompt_tokens + sight.prompt_tokens_per_s
        output_tokens = kept * self.output_tokens + sight.output_tokens_per_s
        busy = self.busy.heard(sight, kept)
        lengths = prompt_tokens / requests, output_tokens / requests
        worth = work.each(*lengths)
        if pace is not None and busy.known and (weight := sure(pace, work.error(*lengths))) > 0.0:
            worth += weight * (busy.worth(pace) - worth)
        return Lately(worth, requests, prompt_tokens, output_tokens, busy, sight.now_s)
