"""An operator that measures, as a process: what it cannot read changes a condition and nothing else."""

import pytest

from tests.cluster.lab import Lab
from tests.cluster.server import condition, eventually
from tests.ports import free_port


def nobody() -> str:
    """An address of this machine at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("server", ["", "absent"], ids=["pods that do not answer", "a Prometheus that is not there"])
def test_a_deployment_whose_load_cannot_be_read_serves_on_and_says_so(lab: Lab, server: str) -> None:
    address = nobody() if server else ""
    operator = lab.start(scrape_every_s="0.3", scrape_timeout_s="0.5", history_every_s="1", prometheus_url=address)
    lab.create()
    lab.ready()
    said = eventually(
        lambda: found if (found := condition(lab.llm(), "MetricsFresh")).get("status") == "False" else None,
        what="MetricsFresh is False",
    )
    assert said["reason"] == "NoMetrics"
    counted = "wharfage_prometheus_questions_total" if server else "wharfage_scrapes_total"
    eventually(lambda: operator.metric(f'{counted}{{outcome="failed"}}') >= 2, what="it tries again and again")
    assert lab.ready()["status"]["readyReplicas"] == 1
    assert operator.tracebacks == []
