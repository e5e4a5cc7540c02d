"""What the requests of late were worth: the mean of some minutes, since a few long prompts are no trend."""

import math
from dataclasses import dataclass

from wharfage_autoscaler.work import Work

from wharfage_simulator.policy import Seen

MEMORY_S = 300.0


@dataclass(slots=True)
class Lately:
    """Sums of what finished, the older the lighter."""

    worth_now: float = 1.0
    """Work per request, in requests of the planned kind."""
    _requests: float = 0.0
    _work: float = 0.0
    _at_s: float = -math.inf

    def worth(self, seen: Seen, work: Work) -> float:
        """The same after one more look, which adds what finished over the last minute."""
        finished = seen.finished_rps_1m
        if not finished > 0.0:  # NaN, too
            return self.worth_now
        kept = math.exp((self._at_s - seen.now_s) / MEMORY_S)
        self._requests = kept * self._requests + finished
        self._work = kept * self._work + work.of(finished, seen.prompt_tokens_per_s, seen.output_tokens_per_s)
        self._at_s = seen.now_s
        self.worth_now = self._work / self._requests
        return self.worth_now
