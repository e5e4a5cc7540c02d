"""What the engine suite measured, written as JSON where `ENGINE_JSON` names a file; `make bench-loop` reads it."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

VARIABLE = "ENGINE_JSON"


@dataclass(slots=True)
class Figures:
    """Named as the file has them; None is what was not measured."""

    engine_requests: int = 0
    engine_failed_requests: int = 0
    """Of all but those in flight on the killed pod."""
    engine_lost_in_flight: int | None = None
    engine_scale_up_s: float | None = None
    """From the first request of the surge until the second replica serves."""
    engine_scale_down_s: float | None = None
    """From the last request of the surge until the second replica is gone."""
    engine_move_s: float | None = None
    """From the new price until only replicas on the other machine are left."""
    engine_replaced_s: float | None = None
    """From SIGKILL until as many replicas serve as before."""
    engine_notice_to_replacement_s: float | None = None
    """From the taint of a machine that is taken back until another replica is ordered."""
    engine_notice_to_endpoint_gone_s: float | None = None
    """Until the Service sends its replica no more connections."""
    engine_notice_drained_s: float | None = None
    """Until that replica has answered what it had in hand, and is gone."""
    engine_notice_replaced_s: float | None = None
    """Until as many replicas serve as before."""
    engine_notice_in_flight: int | None = None
    """Requests that ran on that replica when the machine was tainted."""
    engine_notice_requests: int | None = None
    """Of all clients, from before the taint until the replacement served; those that failed come next."""
    engine_notice_failed_requests: int | None = None
    engine_hold_requests: int | None = None
    """That came through the gateway while nothing ran; those that were not answered come next."""
    engine_hold_failed: int | None = None
    engine_hold_cold_start_s: float | None = None
    """From the first of them until the gateway saw the replica that it had woken open."""
    engine_hold_first_token_s: float | None = None
    """From there to the first token of the first, and of the last of them: more than a replica takes up at once."""
    engine_hold_last_token_s: float | None = None
    engine_tokens_error: float | None = None
    """Tokens that the gateway counted against the engine's own, as a share of these: whole streams."""
    engine_tokens_left_error: float | None = None
    """The same where clients leave this share of the streams before their end."""
    engine_tokens_left_share: float | None = None
    engine_drain_requests: int | None = None
    """Through the gateway, from before a machine's notice until its replica was replaced; those that failed next."""
    engine_drain_failed: int | None = None
    engine_drain_in_hand: int | None = None
    """Requests that ran on that replica just before."""
    engine_drain_heard_s: float | None = None
    """From the taint until the gateway's page showed the replica closed."""
    engine_drain_last_request_s: float | None = None
    """From the last look at that page that showed it open until the replica began to answer its last request."""
    engine_drain_gone_s: float | None = None
    """From the taint until its pod was gone."""
    engine_kill_requests: int | None = None
    """Through the gateway while an engine was killed; then streams that were cut, and what failed without headers."""
    engine_kill_cut: int | None = None
    engine_kill_lost: int | None = None
    engine_measured_rps: float | None = None
    """The most of one replica within its objectives, measured."""
    engine_expected_rps: dict[str, float] = field(default_factory=dict)
    """The same as the operator has it: `model` as it began, `calibrated` as its engines have taught it."""

    @property
    def capacity_error(self) -> float | None:
        """How far what the operator plans with is from what was measured, as a share of the latter."""
        expected = self.engine_expected_rps.get("calibrated", self.engine_expected_rps.get("model"))
        if expected is None or not self.engine_measured_rps:
            return None
        return abs(expected / self.engine_measured_rps - 1.0)

    def known(self) -> dict[str, float]:
        """What was measured, under flat names."""
        figures = asdict(self) | {"engine_capacity_error": self.capacity_error}
        expected = figures.pop("engine_expected_rps")
        figures |= {f"engine_expected_rps_{by}": rps for by, rps in expected.items()}
        return {name: value for name, value in figures.items() if value is not None}

    def write(self) -> None:
        """Where the variable says; nowhere without it."""
        if path := os.environ.get(VARIABLE):
            Path(path).write_text(json.dumps(self.known(), indent=1) + "\n", encoding="utf-8")
