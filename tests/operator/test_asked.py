"""Load out of a real Prometheus that scrapes engines; and servers that do not behave like one."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from wharfage_autoscaler.counting import Counters
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives
from wharfage_operator.asked import Prometheus, authority, authorization
from wharfage_operator.history import STEP_S
from wharfage_operator.kinds import Key, Object
from wharfage_operator.past import weeks
from wharfage_operator.settings import Settings
from wharfage_operator.telemetry import Telemetry

from tests.operator.objects import replica
from tests.operator.pages import page
from tests.operator.servers import Answer, answering, body, dripping
from tests.prometheus import scraping, serving

OURS = {"namespace": "shop", "wharfage_dev_llmdeployment": "chat"}
OTHERS = {"namespace": "shop", "wharfage_dev_llmdeployment": "same-model"}
KEY: Key = ("shop", "chat")
RATE = 40.0
PODS = (replica("a", "127.7.7.1"), replica("b", "127.7.7.2"))


@dataclass
class Engine:
    """Finishes forty requests a second of its life, a tenth of which began after four seconds."""

    release: str
    since_s: float = field(default_factory=time.monotonic)

    def text(self) -> str:
        done = float(int(RATE * (time.monotonic() - self.since_s)))
        return page(
            release=self.release,
            finished=done,
            prompt_tokens=100 * done,
            output_tokens=50 * done,
            first_tokens={0.3: 0.9 * done, 4.0: 0.1 * done},
            waiting=2.0,
            deferred=1.0 if self.release == "0.32" else None,
            steps=100 * done,
            cached=25 * done,
        )


def engine(release: str) -> Answer:
    told = Engine(release)
    return lambda handler: body(told.text(), Content_Type="text/plain; version=0.0.4")(handler)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two engines of ours under new names and old, and one of a deployment that serves the same model."""
    with answering(engine("0.32")) as new, answering(engine("0.8")) as old, answering(engine("0.32")) as other:
        targets = {each.removeprefix("http://"): {**OURS, "pod": name} for each, name in ((new, "a"), (old, "b"))}
        targets[other.removeprefix("http://")] = OTHERS
        with scraping(targets, tmp_path_factory.mktemp("prometheus")) as url:
            yield url


def source(url: str, woken: list[Key] | None = None, telemetry: Telemetry | None = None) -> Prometheus:
    chosen = Settings(prometheus_url=url, scrape_every_s=0.6)
    return Prometheus(chosen, telemetry or Telemetry(), ([] if woken is None else woken).append)


async def ticked(asked: Prometheus, *, timeout_s: float = 5.0) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        await asked.tick(session)


def load(asked: Prometheus, pods: tuple[Object, ...] = PODS, key: Key = KEY) -> Load | None:
    return asked.load(key, pods, Objectives(ttft_p95_s=2.5))


async def first_load(asked: Prometheus) -> Load:
    """Ask until Prometheus has scraped often enough to tell rates."""
    until_s = time.monotonic() + 90.0
    while time.monotonic() < until_s:
        await ticked(asked)
        found = load(asked)
        if found is not None and found.requests_per_second > 0.15 * RATE:  # five seconds of the minute
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"no load within 90 s: {load(asked)}")


async def told(asked: Prometheus, check: Callable[[Load], None]) -> None:
    """Ask until what is told is right: a page that was read late, or by one question and not the next, is not."""
    until_s = time.monotonic() + 90.0
    while True:
        seen = await first_load(asked)
        try:
            return check(seen)
        except AssertionError:
            if time.monotonic() > until_s:
                raise
        await asyncio.sleep(0.2)


async def test_a_prometheus_tells_the_load_of_each_deployment(server: str) -> None:
    woken: list[Key] = []
    asked = source(server, woken)

    def check(seen: Load) -> None:
        other = load(asked, PODS[:1], ("shop", "same-model"))
        assert other is not None
        assert 1.2 * RATE < (seen.requests_per_second_15s or 0.0) < 3.5 * RATE
        assert 1.2 * other.requests_per_second < seen.requests_per_second < 3.5 * other.requests_per_second
        assert seen.prompt_tokens_per_second == pytest.approx(100 * seen.requests_per_second, rel=0.3)
        assert (seen.running, seen.waiting, seen.kv_used) == (6.0, 3.0, 0.25)  # the old release tells no reasons
        assert seen.bad_share_1m == pytest.approx(0.1, abs=0.02)

    await told(asked, check)
    assert set(woken) == {KEY, ("shop", "same-model")}


async def test_a_prometheus_tells_what_the_mean_pod_did_while_none_was_idle(server: str) -> None:
    asked = source(server)

    def check(seen: Load) -> None:
        stints = list(asked.stints(KEY).values())
        assert [(each.seconds, each.running, each.kv_used) for each in stints] == [(60.0, 3.0, 0.25)]
        (stint,) = stints
        assert stint.tokens == pytest.approx(60.0 * seen.output_tokens_per_second / 2, rel=0.3)
        assert stint.steps == pytest.approx(2 * stint.tokens, rel=0.3)
        assert stint.cached_tokens == pytest.approx(stint.prompt_tokens / 4, rel=0.3)

    await told(asked, check)
    assert asked.stints(("shop", "unknown")) == {}


async def test_a_prometheus_tells_what_each_engine_has_counted(server: str) -> None:
    asked = source(server)
    found: dict[str, tuple[float, Counters]] = {}

    def check(_: Load) -> None:
        found.clear()
        found.update(asked.counters((*PODS, replica("c", "127.7.7.3"))))
        assert found.keys() >= {"uid-a/0", "uid-b/0"}

    await told(asked, check)
    assert found.keys() == {"uid-a/0", "uid-b/0"}  # the third has no label `pod`, and nobody's address
    for ago_s, each in found.values():
        assert ago_s >= 0.0
        assert each.requests > 0.0
        done = each.requests
        assert (each.prompt_tokens, each.output_tokens, each.cached_tokens) == (100 * done, 50 * done, 25 * done)
    before = {name: each for name, (_, each) in found.items()}
    async with asyncio.timeout(90.0):
        while asked.counters(PODS)["uid-a/0"][1] == before["uid-a/0"]:
            await ticked(asked)
    assert asked.counters(PODS)["uid-a/0"][1].since(before["uid-a/0"]).requests > 0.0


async def test_a_deployment_that_is_not_scraped_has_no_load(server: str) -> None:
    asked = source(server)
    await first_load(asked)
    assert load(asked, key=("shop", "unknown")) is None
    assert load(asked, pods=(*PODS, replica("c", "127.7.7.3"), replica("d", "127.7.7.4"))) is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(body("", 302, Location="http://169.254.169.254/latest/meta-data"), id="sends us elsewhere"),
        pytest.param(body("<html>hello</html>"), id="a web page"),
        pytest.param(body("no", 500), id="broken"),
        pytest.param(body('{"data": {"result": []}}'), id="knows nothing"),
        pytest.param(dripping, id="never ends"),
    ],
)
async def test_a_server_that_is_of_no_use_tells_nothing(answer: Answer) -> None:
    with answering(answer) as url:
        asked = source(url)
        await ticked(asked, timeout_s=0.3)
        assert load(asked) is None


async def test_a_server_that_hangs_is_waited_for_once_a_tick() -> None:
    telemetry = Telemetry()
    with answering(dripping) as url:
        await ticked(source(url, telemetry=telemetry), timeout_s=0.3)
    asked = telemetry.registry.get_sample_value("wharfage_prometheus_questions_total", {"outcome": "failed"})
    assert asked == 1


async def test_while_the_server_is_away_its_last_answers_hold_for_a_moment_and_no_longer(server: str) -> None:
    asked = source(server)
    assert await first_load(asked)
    await asyncio.sleep(2.0)  # more than three ticks
    assert load(asked) is None


def test_a_token_is_read_each_time_and_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert authorization(str(token)) == authorization("") == {}
    for written in ("first", "second"):
        token.write_text(f"{written}\n", encoding="utf-8")
        assert authorization(str(token)) == {"Authorization": f"Bearer {written}"}


def test_a_certificate_file_that_is_of_no_use_is_said_with_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "empty.crt").touch()
    for file in (tmp_path / "absent.crt", tmp_path / "empty.crt"):
        with pytest.raises(ValueError, match=r"prometheus_ca_file is .*serviceaccount/ca\.crt"):
            authority(str(file))
    assert authority("") is None


def test_weeks_come_out_of_a_prometheus_with_their_gaps(tmp_path: Path) -> None:
    begin_s, hours = 1_790_000_100, 3
    labels = 'model_name="chat",namespace="shop",wharfage_dev_llmdeployment="chat",job="j",instance="i"'
    counters = {
        "vllm:time_to_first_token_seconds_count": 2.0,
        "vllm:prompt_tokens_total": 200.0,
        "vllm:generation_tokens_total": 100.0,
    }
    lines = []
    for metric, per_s in counters.items():
        kind = "counter" if metric.endswith("_total") else "histogram"
        lines.append(f"# TYPE {metric.removesuffix('_total').removesuffix('_count')} {kind}")
        lines += [
            f"{metric}{{{labels}}} {per_s * (at - begin_s):g} {at}"
            for at in range(begin_s, begin_s + hours * 3600 + 1, 30)
            if not 3600 <= at - begin_s < 7200
        ]
    with serving("\n".join([*lines, "# EOF", ""]), tmp_path) as url:
        rows = weeks(Settings(prometheus_url=url), KEY, begin_s + hours * 3600.0)
    known = [(rows.start_s + STEP_S * place, row) for place, row in enumerate(rows) if row is not None]
    assert known[0][0] == begin_s
    assert len(known) == (hours - 1) * 12
    assert all(row.requests == pytest.approx(2.0, rel=0.01) for _, row in known)
    assert all(row.prompt_tokens == pytest.approx(200.0, rel=0.01) for _, row in known)
