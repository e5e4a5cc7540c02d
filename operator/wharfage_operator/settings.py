"""Every setting of the operator: its default, its unit, what it is for.

A setting is an environment variable (`WHARFAGE_WORKERS=4`) or a flag (`--workers 4`); the flag wins.
"""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PREFIX = "WHARFAGE_"
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LABEL = re.compile(r"[a-zA-Z_]\w*", re.ASCII)


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The operator's settings; durations are in seconds."""

    namespace: str = _setting("wharfage-system", "namespace of the operator itself: its Lease lives there")
    watch_namespaces: tuple[str, ...] = _setting((), "namespaces to serve; empty: all of them")
    workers: int = _setting(8, "deployments worked on at the same time")
    identity: str = _setting("", "this replica's name in the Lease; default: the host's name and process id")

    lease_name: str = _setting("wharfage-leader", "the Lease that only one replica holds")
    lease_duration_s: float = _setting(15.0, "after this time without renewal another replica may take over")
    lease_renew_deadline_s: float = _setting(10.0, "a leader that could not renew for so long ends itself")
    lease_retry_s: float = _setting(2.0, "pause between two attempts to take or renew the Lease")

    resync_s: float = _setting(300.0, "every deployment is looked at again after so long, +-20 %")
    budgets_every_s: float = _setting(60.0, "pause between two looks at every budget")
    require_budget: bool = _setting(
        False, "refuse deployments that no LLMBudget with mode Enforce selects; what runs of them stays as it is"
    )
    webhook_secrets: tuple[str, ...] = _setting(
        (), "Secrets of the operator's namespace that budgets may name in spec.notify, and no others are read"
    )
    webhook_allow_loopback: bool = _setting(
        False, "webhooks may lie on the operator's own loopback, where a proxy beside it may listen"
    )
    discovery_s: float = _setting(10.0, "pause between two looks at which APIs of CRDs exist")
    backoff_first_s: float = _setting(0.2, "delay after one failure of a key; doubles with each further one")
    backoff_longest_s: float = _setting(300.0, "upper bound of that delay")
    world_settle_s: float = _setting(0.3, "pause after a change of nodes or prices before deployments are woken")
    children_settle_s: float = _setting(
        0.2, "pause after a change of a child or pod before its deployment is looked at"
    )
    conflict_every_s: float = _setting(10.0, "a name that somebody else holds is tried again after so long")
    surge_patience_s: float = _setting(600.0, "new replicas without a machine for so long: old ones end first")
    machine_patience_s: float = _setting(
        60.0, "no machine of an offer for so long, and twice as long as usual: the offer counts as short for a while"
    )
    events_after_s: float = _setting(5.0, "a pod that waits longer has its events read for the true cause")
    events_every_s: float = _setting(15.0, "and again after so long")
    status_every_s: float = _setting(300.0, "moving figures are copied into the status at most so often")
    prices_stale_after_s: float = _setting(30 * 86400.0, "prices observed longer ago than this are called stale")

    request_timeout_s: float = _setting(30.0, "deadline of one request to the API server")
    connect_timeout_s: float = _setting(5.0, "deadline of one connection to it")
    watch_timeout_s: float = _setting(300.0, "the API server ends a watch after so long; it is opened again")
    watch_inactivity_s: float = _setting(70.0, "a watch without even a bookmark for so long is opened again")
    watch_retry_s: float = _setting(10.0, "a watch that is refused is tried again after so long")
    exit_grace_s: float = _setting(2.0, "on SIGTERM the work in hand may take so long")

    http_host: str = _setting("0.0.0.0", "address of /healthz, /readyz and /metrics")  # noqa: S104 - probes come from the node
    http_port: int = _setting(8080, "port of the same; 0 picks a free one and logs it")
    page_port: int = _setting(0, "port of the page of fleet and dollars, on the same address; 0: there is none")
    loop_lag_s: float = _setting(5.0, "/healthz fails when the event loop is late by more than this")

    scrape_every_s: float = _setting(15.0, "pause between two readings of the engines' /metrics; 0 turns them off")
    scrape_window_s: float = _setting(60.0, "rates are taken over this window")
    scrape_timeout_s: float = _setting(5.0, "deadline of one reading of one pod; a flooded engine answers late")
    scrape_via: str = _setting(
        "Pod", "Pod: the pods' own addresses; Proxy: through the API server (outside the cluster)"
    )
    scrape_proxy: str = _setting(
        "", "an HTTP proxy, http://HOST:PORT, that leads to the pods' own addresses where nothing else does"
    )

    prometheus_url: str = _setting(
        "", "a Prometheus server to ask for the load instead of the pods, http(s)://HOST:PORT"
    )
    prometheus_token_file: str = _setting("", "file with a bearer token for it, read again each time")
    prometheus_ca_file: str = _setting("", "file with the certificate authority that signed its certificate")
    prometheus_label: str = _setting(
        "wharfage_dev_llmdeployment",
        "label of its series that names the deployment; their label namespace its namespace",
    )
    prometheus_timeout_s: float = _setting(5.0, "deadline of one question to it")
    history_every_s: float = _setting(
        900.0, "four weeks of a deployment's load are kept in a ConfigMap, written at most so often; 0 turns it off"
    )

    engine_image: str = _setting("vllm/vllm-openai:v0.32.0", "image of the engine where the deployment names none")
    allowed_images: tuple[str, ...] = _setting((), "prefixes that an engine image must have; empty: any image")
    reader_image: str = _setting("", "image of the pods that read a model's config.json; empty: the engine's")
    reader_retry_s: float = _setting(
        60.0, "a config.json that could not be read is read again after so long; doubles up to an hour"
    )
    max_num_seqs: int = _setting(0, "concurrent sequences per engine; 0: by the accelerator's memory")
    client_namespaces: tuple[str, ...] = _setting(
        (), "namespaces that may reach the engines besides their own and the operator's; *: all"
    )
    spot_default: str = _setting(
        "Forbid", "spot policy where the deployment names none: Forbid, Allow, Prefer, Require"
    )
    scale_to_zero: str = _setting(
        "Off",
        "what wakes a deployment at zero: Off (there is none), Annotation (wharfage.dev/wake; tests and demos only)",
    )
    gateways: tuple[str, ...] = _setting(
        (), "namespaces that have a gateway: NAMESPACE, or NAMESPACE=http://HOST:PORT where its pods cannot be reached"
    )
    gateway_service: str = _setting("wharfage-gateway", "name of the gateway's Service in these namespaces")
    platform: str = _setting("auto", "label dialect of the cloud: auto, aws, gcp, azure, onprem or other")
    pod_monitors: bool = _setting(True, "create a PodMonitor per deployment where that API exists")
    node_groups: str = _setting("", "offers that are obtainable by declaration: catalog/offer, comma-separated")

    pre_provisioning: str = _setting(
        "Off", "Auto: machines are ordered ahead of replicas where the forecast's tail pays for it; Off: they are not"
    )
    placeholder_image: str = _setting(
        "registry.k8s.io/pause:3.10", "image of the pods that hold such a machine where no CapacityBuffer does"
    )
    placeholder_priority_class: str = _setting(
        "", "PriorityClass of those pods, below zero, so that replicas take their place; empty: no such pods"
    )

    solve_within_s: float = _setting(30.0, "deadline of one round of the optimiser; what was allotted last then holds")
    worker_most_rss_mib: float = _setting(
        400.0, "the process that solves and forecasts is started anew when it holds more memory than this"
    )
    time_scale: float = _setting(
        1.0, "seconds that pass for what is measured and decided in one of the wall's; other than 1 for demos only"
    )
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR")

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.lease_retry_s < self.lease_renew_deadline_s < self.lease_duration_s:
            raise SettingsError(
                "lease_retry_s < lease_renew_deadline_s < lease_duration_s must hold, or two replicas could lead"
            )
        if not 1.0 <= self.time_scale <= 1000.0:
            raise SettingsError(f"time_scale is {self.time_scale:g}: write 1, or up to 1000 for a demo")
        if self.page_port and self.page_port == self.http_port:
            raise SettingsError(f"page_port and http_port are both {self.page_port}: write two ports")
        if self.workers < 1:
            raise SettingsError(f"workers is {self.workers}: at least 1 is needed")
        if self.spot_default not in ("Forbid", "Allow", "Prefer", "Require"):
            raise SettingsError(f"spot_default is {self.spot_default!r}: write Forbid, Allow, Prefer or Require")
        if self.scale_to_zero not in ("Off", "Annotation"):
            raise SettingsError(f"scale_to_zero is {self.scale_to_zero!r}: write Off or Annotation")
        if self.pre_provisioning not in ("Off", "Auto"):
            raise SettingsError(f"pre_provisioning is {self.pre_provisioning!r}: write Off or Auto")
        if self.scrape_via not in ("Pod", "Proxy"):
            raise SettingsError(f"scrape_via is {self.scrape_via!r}: write Pod or Proxy")
        if self.scrape_proxy and not _is_server(self.scrape_proxy):
            raise SettingsError(f"scrape_proxy is {self.scrape_proxy!r}: write http://HOST:PORT")
        if self.time_scale != 1.0 and self.prometheus_url:
            raise SettingsError("time_scale and prometheus_url: a Prometheus keeps the wall's time; leave one out")
        _check_gateways(self.gateways)
        _check_prometheus(self.prometheus_url, self.prometheus_label)


class SettingsError(ValueError):
    """A setting has a value that cannot work; the message says which, and what to write."""


def placed(gateway: str) -> tuple[str, str]:
    """The namespace of one of `gateways`, and the URL that it tells at where its pods cannot be reached, or ""."""
    namespace, _, url = gateway.partition("=")
    return namespace, url


def _check_gateways(written: tuple[str, ...]) -> None:
    for each in written:
        namespace, url = placed(each)
        if not namespace or each.endswith("=") or (url and not _is_server(url)):
            raise SettingsError(f"gateways has {each!r}: write NAMESPACE, or NAMESPACE=http://HOST:PORT")


def _check_prometheus(url: str, label: str) -> None:
    """Refuse what is no address of a server, and a password in it, which would end up in logs."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"prometheus_url is no URL: {error}") from error
    if "@" in parts.netloc:
        raise SettingsError("prometheus_url holds a password: write a bearer token into prometheus_token_file instead")
    if url and not plain:
        raise SettingsError(f"prometheus_url is {url!r}: write http(s)://HOST[:PORT][/PATH]")
    if not _LABEL.fullmatch(label):
        raise SettingsError(f"prometheus_label is {label!r}: write the name of a label, as Prometheus spells it")


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = (parts.path, parts.query, parts.fragment, parts.username) == ("", "", "", None)
    return parts.scheme == "http" and bool(parts.hostname) and port is not None and plain


def load(environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> Settings:
    """Settings from the environment and the command line; SettingsError for a bad value."""
    environment = os.environ if environment is None else environment
    given: dict[str, Any] = {}
    if "WHARFAGE_NAMESPACE" not in environment and _OWN_NAMESPACE.exists():
        given["namespace"] = _OWN_NAMESPACE.read_text().strip()
    flags = vars(_parser().parse_args(list(arguments)))
    for setting in fields(Settings):
        text = (
            flags[setting.name] if flags[setting.name] is not None else environment.get(PREFIX + setting.name.upper())
        )
        if text is not None:
            given[setting.name] = _parsed(setting.name, text, type(setting.default))
    return Settings(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wharfage-operator", description="Places LLM replicas where they cost least.")
    for setting in fields(Settings):
        parser.add_argument(
            "--" + setting.name.replace("_", "-"),
            metavar="VALUE",
            help=f"{setting.metadata['doc']} (default: {_shown(setting.default)})".replace("%", "%%"),
        )
    return parser


def _shown(default: object) -> str:
    return ",".join(default) or "none" if isinstance(default, tuple) else str(default) or "none"


def _parsed(name: str, text: str, wanted: type) -> Any:
    if wanted is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if wanted is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise SettingsError(f"{PREFIX}{name.upper()} is {text!r}: write true or false")
        return text.lower() in ("true", "1")
    try:
        return wanted(text)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name.upper()} is {text!r}: a {wanted.__name__} is needed") from error
