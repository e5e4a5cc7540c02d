"""The fluid's signals as the collector would have them, so that the shipping functions can take them."""

import math

from wharfage_autoscaler.law import Signals
from wharfage_autoscaler.load import Load


def load(now: Signals, waiting: float) -> Load:
    """What was measured, where a share that nobody knows is None."""
    return Load(
        window_s=60.0,
        requests_per_second=now.rps_1m,
        prompt_tokens_per_second=0.0,
        output_tokens_per_second=0.0,
        running=0.0,
        waiting=waiting,
        requests_per_second_15s=now.rps_15s,
        requests_per_second_5m=now.rps_5m,
        bad_share_1m=known(now.bad_1m),
        bad_share_5m=known(now.bad_5m),
        bad_share_30m=known(now.bad_30m),
    )


def known(value: float) -> float | None:
    """None for NaN."""
    return None if math.isnan(value) else value
