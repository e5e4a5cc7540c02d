"""The pages of emulated engines against one of the real engine, and as the operator reads them."""

import re
from pathlib import Path

import numpy as np
import pytest
from wharfage_operator.readings import reading
from wharfage_simulator.replica import Replicas
from wharfage_simulator.traces import RequestTrace

from demo.emulator.page import page
from demo.emulator.tally import Tally, edges
from tests.simulator.engines import profile

REAL = (Path(__file__).resolve().parents[1] / "operator" / "captured" / "vllm-0.32.0.txt").read_text(encoding="utf-8")
CONTEXT = 1024
_SAMPLE = re.compile(r"^(vllm:\w+)\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def replayed(requests: int = 40) -> tuple[str, Replicas]:
    """The page of one engine that has served so many requests of 100 and 50 tokens, a quarter of them cached."""
    trace = RequestTrace(
        "test",
        0.0,
        20.0,
        np.linspace(0.0, 10.0, requests),
        np.full(requests, 100, dtype=np.int32),
        np.full(requests, 50, dtype=np.int32),
        np.full(requests, 25, dtype=np.int32),
    )
    replicas = Replicas(trace, [profile()], 1)
    tally = Tally(1, CONTEXT)
    tally.begin(0, replicas.gauges())
    replicas.serve(0, 0)
    for stop_s in (3.0, 7.0, 1e6):
        tally.add(replicas.run(stop_s), replicas.requests)
    return page("chat", tally.told(0, replicas.gauges()), edges(CONTEXT)), replicas


def families(text: str) -> dict[str, str]:
    """The kind of each family."""
    return dict(re.findall(r"^# TYPE (vllm:\w+) (\w+)$", text, re.MULTILINE))


def labels(text: str, name: str) -> set[tuple[str, ...]]:
    """The names of a sample's labels; with their values where those are always the same."""
    fixed = ("le", "reason", "engine")
    return {
        tuple(f"{key}={value}" if key in fixed else key for key, value in _LABEL.findall(told))
        for sample, told in _SAMPLE.findall(text)
        if sample == name
    }


def test_every_family_is_one_of_the_real_engine_s_with_its_kind_labels_and_buckets() -> None:
    ours, _ = replayed()
    kinds = families(ours)
    assert kinds.items() <= families(REAL).items()
    samples = {name for name, _ in _SAMPLE.findall(ours)} - {"vllm:cache_config_info"}
    assert len(samples) > len(kinds)
    for name in samples:
        assert labels(ours, name) == labels(REAL, name), name


def test_the_operator_reads_what_the_engine_did() -> None:
    text, replicas = replayed()
    seen = reading(text, at_s=1.0)
    assert seen is not None
    (engine,) = seen.engines.values()
    assert (engine.finished, engine.arrived, engine.ttft.total, engine.tpot.total) == (40.0, 40.0, 40.0, 40.0)
    assert (engine.prompt_tokens, engine.output_tokens) == (4000.0, 2000.0)
    assert (seen.running, seen.waiting, seen.kv_used) == (0.0, 0.0, 0.0)
    first_s = replicas.requests["first_s"] - replicas.requests["arrival_s"]
    assert engine.ttft.within(0.25) == np.count_nonzero(first_s <= 0.25)


def test_a_slot_that_another_pod_takes_begins_at_nothing() -> None:
    trace = RequestTrace("test", 0.0, 9.0, np.array([0.0, 5.0]), *(np.full(2, 20, dtype=np.int32) for _ in range(3)))
    replicas, tally = Replicas(trace, [profile()], 1), Tally(1, CONTEXT)
    told = []
    for stop_s in (4.0, 9.0):
        tally.begin(0, replicas.gauges())
        replicas.serve(0, 0)
        tally.add(replicas.run(stop_s), replicas.requests)
        told.append(tally.told(0, replicas.gauges()))
        replicas.kill(0)
    assert [(each.finished, each.output_tokens) for each in told] == [(1.0, 20.0), (1.0, 20.0)]


@pytest.mark.parametrize(("context_tokens", "last"), [(1024, 1000.0), (8192, 5000.0), (131072, 100000.0)])
def test_buckets_of_lengths_go_as_far_as_the_context(context_tokens: int, last: float) -> None:
    assert edges(context_tokens)["request_prompt_tokens"][-1] == last
