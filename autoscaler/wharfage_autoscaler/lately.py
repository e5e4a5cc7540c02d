"""What the requests of late were worth: by their mean lengths, and by how full they made the replicas."""

import math
from dataclasses import dataclass

from wharfage_autoscaler.pace import SATURATED, Pace, filled, fullest, sure
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.work import Work

MEMORY_S = 300.0


@dataclass(frozen=True, slots=True)
class Busy:
    """Sums over looks at which all of it was known; a measurement that is missing is never taken for idleness.

    Each look is judged by itself: in an overload a hundred times as many sequences run as after it, and a mean over
    both would call replicas full, many of them new and idle, for as long as it is remembered.
    """

    arrived: float = 0.0
    finished: float = 0.0
    taken: float = 0.0
    """Of the serving replicas, in planned requests that they carry within their objectives."""

    def heard(self, sight: Sight, kept: float, pace: Pace) -> "Busy":
        """After one more look; that share of what was known still counts."""
        before = Busy(kept * self.arrived, kept * self.finished, kept * self.taken)
        tokens, running = sight.output_tokens_per_s, sight.running
        if not (sight.rps_1m > 0.0 and running > 0.0 and tokens > 0.0 and sight.room_rps > 0.0):  # NaN, too
            return before
        # The count is of an instant: of one that scatters like Poisson's, 1 / (count + 1) is 1 / mean on average.
        by_pace = filled(pace, (running + 1.0) / tokens)
        full = min(SATURATED, by_pace, fullest(pace, running / sight.ready))
        return Busy(
            before.arrived + sight.rps_1m,
            before.finished + sight.finished_rps_1m,
            before.taken + full * sight.room_rps,
        )

    def worth(self) -> float:
        """What a request takes of the replicas, in planned ones; NaN where nothing is known.

        While a backlog is worked off more requests finish than arrive, and it is those that the replicas are full of.
        """
        return self.taken / max(self.arrived, self.finished) if self.arrived > 0.0 else math.nan


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
        busy = self.busy.heard(sight, kept, pace) if pace is not None and sure(pace, 1.0) > 0.0 else Busy()
        lengths = prompt_tokens / requests, output_tokens / requests
        worth = work.each(*lengths)
        if pace is not None and not math.isnan(by_pace := busy.worth()):
            worth += sure(pace, work.error(*lengths)) * (by_pace - worth)
        return Lately(worth, requests, prompt_tokens, output_tokens, busy, sight.now_s)
