"""Load out of a real Prometheus: what two engines counted, through a restart and an outage, under old names and new."""

from collections.abc import Iterator
from math import isnan

import pytest
from wharfage_operator.prometheus import Address, Limits, PrometheusError, Server, connected
from wharfage_operator.readings import OUTPUT_TOKENS, REQUESTS
from wharfage_operator.recorded import Recorded, matchers, recorded

from tests.prometheus import serving

T0 = 1_790_000_100  # a multiple of the window
WINDOW_S = 300
HOURS = 12
OUTAGE = range(T0 + 5 * 3600, T0 + 6 * 3600)
RESTART = T0 + 9 * 3600 + 100
END = T0 + HOURS * 3600
(OUTPUT,) = OUTPUT_TOKENS


def counter(metric: str, labels: str, per_s: float, *, restart: int = 0) -> list[str]:
    """Scraped every 30 s; it begins again at `restart`, and nobody looks during the outage."""
    return [
        f"{metric}{{{labels}}} {per_s * (at - (restart if restart and at >= restart else T0)):g} {at}"
        for at in range(T0, END + 1, 30)
        if at not in OUTAGE
    ]


CHAT = {
    "vllm:time_to_first_token_seconds_count": 1.0,
    "vllm:request_success_total": 0.9,  # some clients leave before the end
    "vllm:admission_rejections_total": 0.1,
    "vllm:prompt_tokens_total": 400.0,
    "vllm:generation_tokens_total": 80.0,
    "vllm:prompt_tokens_cached_total": 100.0,
}
OLD = {
    "vllm:request_success_total": 1.0,
    "vllm:prompt_tokens_total": 10.0,
    "vllm:generation_tokens_total": 5.0,
    "vllm:gpu_prefix_cache_hits_total": 2.0,
}


def samples() -> str:
    """Two engines of a model, one of them started again; one of an old release; one that counts requests only."""
    families: dict[str, list[str]] = {}
    for engine, restart in (("a", 0), ("b", RESTART)):
        for metric, per_s in CHAT.items():
            labels = f'model_name="chat",instance="{engine}",job="engines"'
            families.setdefault(metric, []).extend(counter(metric, labels, per_s, restart=restart))
    for metric, per_s in OLD.items():
        families.setdefault(metric, []).extend(counter(metric, 'model_name="old",job="others"', per_s))
    families[OUTPUT] += counter(OUTPUT, 'model_name="mute",job="others"', 1.0)
    families[REQUESTS[0]] += counter(REQUESTS[0], 'model_name="bare",job="others"', 2.0)
    text = []
    for metric, lines in families.items():
        kind = "counter" if metric.endswith("_total") else "histogram"
        text += [f"# TYPE {metric.removesuffix('_total').removesuffix('_count')} {kind}", *lines]
    return "\n".join([*text, "# EOF", ""])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(samples(), tmp_path_factory.mktemp("prometheus")) as url, connected(Address(url)) as opened:
        yield opened


def found(server: Server, match: str, *, first_s: int = T0, step_s: int = WINDOW_S) -> Recorded:
    return recorded(server, match, first_s=first_s, last_s=END, step_s=step_s)


def test_engines_are_added_up_and_one_that_starts_again_loses_nothing(server: Server) -> None:
    chat = found(server, 'model_name="chat"')
    windows = [T0 + place * WINDOW_S for place in range(len(chat.requests))]
    assert (chat.start_s, chat.step_s, chat.models, chat.jobs) == (T0, WINDOW_S, ("chat",), ("engines",))
    steady = [
        rate
        for at, rate in zip(windows, chat.requests, strict=True)
        if not isnan(rate) and not at <= RESTART < at + WINDOW_S
    ]
    assert len(steady) == len(windows) - 12 - 1
    assert steady == pytest.approx([2.2] * len(steady))  # first tokens, and those that were refused
    (across,) = [rate for at, rate in zip(windows, chat.requests, strict=True) if at <= RESTART < at + WINDOW_S]
    assert 1.9 < across <= 2.2


def test_a_time_without_scrapes_is_a_gap(server: Server) -> None:
    chat = found(server, 'model_name="chat"')
    inside = range((OUTAGE.start - T0) // WINDOW_S, (OUTAGE.stop - T0) // WINDOW_S)
    gaps = [place for place, rate in enumerate(chat.requests) if isnan(rate)]
    assert gaps == list(inside)
    assert [place for place, rate in enumerate(chat.prompt_tokens) if isnan(rate)] == gaps


def test_tokens_are_counted_under_new_names_and_old(server: Server) -> None:
    chat, old = found(server, 'model_name="chat"'), found(server, 'model_name="old"')
    assert (chat.prompt_tokens[0], chat.output_tokens[0], chat.cached_tokens[0]) == pytest.approx((800, 160, 200))
    assert (old.requests[0], old.prompt_tokens[0]) == pytest.approx((1, 10))
    assert (old.output_tokens[0], old.cached_tokens[0]) == pytest.approx((5, 2))


def test_tokens_that_are_not_counted_are_not_there(server: Server) -> None:
    bare = found(server, 'model_name="bare"')
    assert bare.requests[0] == pytest.approx(2)
    assert (bare.prompt_tokens, bare.output_tokens, bare.cached_tokens) == ((), (), ())


def test_several_models_are_added_up_only_where_they_are_named(server: Server) -> None:
    both = found(server, 'model_name=~"old|bare"')
    assert both.models == ("bare", "old")
    assert both.requests[0] == pytest.approx(3)
    with pytest.raises(
        PrometheusError, match=r'several models.* bare, old; .* \{job="others",model_name="bare"\} does'
    ):
        found(server, 'job="others"')


def test_what_matches_nothing_is_answered_with_what_there_is(server: Server) -> None:
    with pytest.raises(PrometheusError, match=r'no series of vLLM match \{job="x"\}; it has those of bare, chat, old$'):
        found(server, 'job="x"')
    with pytest.raises(PrometheusError, match="it has no series of vLLM in that time; it must scrape"):
        recorded(server, "", first_s=T0 - 7200, last_s=T0 - 3600, step_s=WINDOW_S)


def test_windows_shorter_than_two_scrapes_are_said(server: Server) -> None:
    with pytest.raises(PrometheusError, match=r"chat, and no window of 20 s has two samples"):
        found(server, 'model_name="chat"', step_s=20)


def test_more_points_than_a_server_gives_at_once_come_in_pieces(server: Server) -> None:
    chat = found(server, 'model_name="chat"', first_s=END - 9 * 86_400, step_s=60)
    assert len(chat.requests) == 9 * 1440
    assert chat.requests[-1] == pytest.approx(2.2)
    whole = Limits(points=100_000, range_s=10**9)
    with (
        connected(Address(server.url), limits=whole) as hasty,
        pytest.raises(PrometheusError, match="HTTP 400: exceeded maximum resolution of 11,000 points"),
    ):
        found(hasty, 'model_name="chat"', first_s=END - 9 * 86_400, step_s=60)


def test_a_query_that_cannot_be_read_is_answered_in_the_servers_words(server: Server) -> None:
    with pytest.raises(PrometheusError, match=r"HTTP 400: .*parse error"):
        server.rates("sum(", first_s=T0, last_s=END, step_s=WINDOW_S)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="all"),
        pytest.param("{}", "", id="all, in braces"),
        pytest.param('namespace="shop"', 'namespace="shop"', id="a label"),
        pytest.param('{ a = "b" , c!~"d,e}" }', 'a="b",c!~"d,e}"', id="spaces, and a comma in a value"),
        pytest.param('a="say \\"b\\"",', 'a="say \\"b\\""', id="quotes in a value, and a comma at the end"),
    ],
)
def test_matchers_are_read_as_prometheus_reads_them(text: str, expected: str) -> None:
    assert matchers(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("shop", id="a word"),
        pytest.param("namespace=shop", id="no quotes"),
        pytest.param('up{a="b"}', id="a metric"),
        pytest.param('a="b" c="d"', id="no comma"),
        pytest.param('a="b"}) or vector(1', id="a query"),
    ],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="matchers of labels are needed"):
        matchers(text)
