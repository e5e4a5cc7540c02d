"""A metrics server of a test's own: the aggregated API by which the control plane's HPA asks for gauges of pods."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wharfage_operator.kinds import PODS, Kind

from tests.cluster.server import Server, condition, eventually
from tests.devcluster.cluster import Cluster

API_SERVICES = Kind("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)
SERVICES = Kind("", "v1", "services", "Service")
GROUP, VERSION = "custom.metrics.k8s.io", "v1beta2"
GAUGE = "vllm:num_requests_running"

Totals = Mapping[str, float]
"""By the label `app` of a Deployment's pods, what they show together; each ready one shows an equal part."""


@contextmanager
def telling(cluster: Cluster, namespace: str, totals: Totals) -> Iterator[None]:
    """Serve these gauges to the HPA for as long as the block runs."""
    server = Server(cluster)
    with _listening(cluster, namespace, totals) as port:
        # No address of this machine is a legal endpoint; a name is.
        server.create(
            SERVICES,
            {
                "metadata": {"name": "gauges", "namespace": namespace},
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            },
        )
        name = f"{VERSION}.{GROUP}"
        where = {"name": "gauges", "namespace": namespace, "port": port}
        spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100}
        server.create(
            API_SERVICES,
            {"metadata": {"name": name}, "spec": {**spec, "service": where, "insecureSkipTLSVerify": True}},
        )
        try:
            eventually(
                lambda: condition(server.get(API_SERVICES, "", name), "Available").get("status") == "True",
                what="the API of gauges is available",
            )
            yield
        finally:
            server.delete(API_SERVICES, "", name)
            server.close()


@contextmanager
def _listening(cluster: Cluster, namespace: str, totals: Totals) -> Iterator[int]:
    authority = cluster.layout.authority
    authority.issue("gauges", subject="/CN=localhost", alternatives=["DNS:localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "gauges.crt", authority.folder / "gauges.key")

    def shown(app: str) -> list[dict[str, Any]]:
        # The control plane may still ask when the test is over: a connection that is shared would be opened again then.
        with closing(Server(cluster)) as server:
            pods = server.all(PODS, namespace)
        ready = [
            pod["metadata"]["name"]
            for pod in pods
            if pod["metadata"]["labels"].get("app") == app and condition(pod, "Ready").get("status") == "True"
        ]
        return [_value(namespace, pod, totals[app] / len(ready)) for pod in ready]

    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(shown)) as https:
        https.daemon_threads = True
        https.socket = context.wrap_socket(https.socket, server_side=True)
        thread = threading.Thread(target=https.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield https.server_port
        finally:
            https.shutdown()
            thread.join()


def _handler(shown: Callable[[str], list[dict[str, Any]]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(unquote(self.path))
            selector = parse_qs(asked.query).get("labelSelector", [""])[0]
            if asked.path.endswith(f"/pods/*/{GAUGE}"):
                answer = {"kind": "MetricValueList", "items": shown(selector.removeprefix("app="))}
            else:
                answer = {"kind": "APIResourceList", "groupVersion": f"{GROUP}/{VERSION}", "resources": []}
            body = json.dumps(
                {"apiVersion": "v1" if "resources" in answer else f"{GROUP}/{VERSION}", **answer}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _value(namespace: str, pod: str, value: float) -> dict[str, Any]:
    return {
        "describedObject": {"kind": "Pod", "namespace": namespace, "name": pod, "apiVersion": "/v1"},
        "metric": {"name": GAUGE},
        "timestamp": "2026-11-26T00:00:00Z",
        "value": f"{round(1000.0 * value)}m",
    }
