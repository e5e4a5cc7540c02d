"""AIBrix's own solver of Mélange's integer program."""

from collections.abc import Callable
from typing import Any

from aibrix.gpu_optimizer.optimizer.solver.melange import Config, SolverRunner


def begin(settings: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    """Nothing to set."""

    def answer(question: dict[str, Any]) -> Any:
        kinds = zip(question["costs"], question["throughputs"], strict=True)
        rates = question["rates"]
        whole = sum(sum(row) for row in rates)
        config = Config(
            gpu_info={str(number): {"cost": cost, "tputs": tputs} for number, (cost, tputs) in enumerate(kinds)},
            workload_distribution=[[rate / whole for rate in row] for row in rates],
            total_request_rate=whole,
            slice_factor=question["slices"],
        )
        found = SolverRunner(config).run()
        return None if found is None else found["cost"]

    return answer
