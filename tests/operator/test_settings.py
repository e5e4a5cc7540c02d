"""Settings: from the environment, overruled by flags, refused where they cannot work."""

import pytest
from wharfage_operator.settings import Settings, SettingsError, load


def test_defaults_hold_where_nothing_is_set() -> None:
    assert load({}) == Settings()


def test_a_flag_overrules_the_environment() -> None:
    chosen = load({"WHARFAGE_WORKERS": "2", "WHARFAGE_RESYNC_S": "7.5"}, ["--workers", "3"])
    assert (chosen.workers, chosen.resync_s) == (3, 7.5)


def test_lists_and_switches_are_read() -> None:
    chosen = load({"WHARFAGE_WATCH_NAMESPACES": "a, b,", "WHARFAGE_POD_MONITORS": "false"})
    assert chosen.watch_namespaces == ("a", "b")
    assert chosen.pod_monitors is False


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORKERS", "many", "a int is needed"),
        ("WORKERS", "0", "at least 1"),
        ("POD_MONITORS", "maybe", "write true or false"),
        ("LEASE_DURATION_S", "5", "two replicas could lead"),
        ("SCRAPE_VIA", "Telepathy", "write Pod or Proxy"),
        ("SCRAPE_PROXY", "localhost", "write http://HOST:PORT"),
        ("SCRAPE_PROXY", "http://me:secret@p:80", "write http://HOST:PORT"),
        ("PROMETHEUS_URL", "prometheus:9090", r"write http\(s\)://HOST"),
        ("PROMETHEUS_URL", "http://p:port", "is no URL"),
        ("PROMETHEUS_URL", "https://me:secret@p", "write a bearer token into prometheus_token_file"),
        ("PROMETHEUS_LABEL", 'a"} or up{b="', "write the name of a label"),
        ("SPOT_DEFAULT", "maybe", "write Forbid, Allow, Prefer or Require"),
    ],
)
def test_a_bad_value_is_refused_with_what_to_write(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load({f"WHARFAGE_{name}": value})


def test_a_world_that_runs_faster_is_not_read_from_a_prometheus() -> None:
    with pytest.raises(SettingsError, match="keeps the wall's time"):
        load({"WHARFAGE_TIME_SCALE": "40", "WHARFAGE_PROMETHEUS_URL": "http://p:9090"})


def test_a_password_in_the_address_of_prometheus_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"WHARFAGE_PROMETHEUS_URL": "https://me:secret@p"})
    assert "secret" not in str(refused.value)
