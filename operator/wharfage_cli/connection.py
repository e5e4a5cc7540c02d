"""The command line's way to the API server: whatever the kubeconfig or the pod says, as plain dicts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import yaml
from kubernetes import client, config
from kubernetes.config import kube_config

TIMEOUT_S = 20.0
IN_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Unreachable(Exception):  # noqa: N818 -- a state of the world, named as the user sees it
    """No API server answered, or no configuration names one."""


class Refused(Exception):  # noqa: N818 -- as above
    """The API server answered, but not with what was asked for; `status` is the HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server and the namespace to look at by default."""

    api: Any  # kubernetes.client.ApiClient, which has no usable types
    namespace: str
    in_pod: bool = False  # logged in as the pod's own account

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read one object, list or discovery document; raises `Refused` or `Unreachable`."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one object, such as an access review; raises `Refused` or `Unreachable`."""
        return self._call("POST", path, body)

    def apply(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """Server-side apply of one object; `query` names the field manager. Raises `Refused` or `Unreachable`."""
        return self._call("PATCH", f"{path}?{urlencode(query)}", json.dumps(body), "application/apply-patch+yaml")

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | str | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = self.api.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            response = self.api.call_api(*request, _request_timeout=TIMEOUT_S)
            text = response.read()
        except Exception as error:  # urllib3 and the client raise a dozen unrelated types here
            raise Unreachable(f"{self.api.configuration.host} does not answer: {_cause(error)}") from error
        answer = cast("dict[str, Any]", json.loads(text)) if text.startswith((b"{", b"[")) else {}
        if response.status >= 400:
            raise Refused(response.status, answer.get("message") or text.decode(errors="replace")[:300])
        return answer


def connect(*, context: str | None = None, namespace: str | None = None) -> Connection:
    """Open a connection from the kubeconfig, or from the pod's service account where there is none.

    Raises:
        Unreachable: where neither can be read; the message says what to do.

    """
    settings = client.Configuration()
    settings.retries = False  # whoever waits at a terminal asks again
    try:
        config.load_kube_config(context=context, client_configuration=settings)
        chosen, in_pod = namespace or _namespace_of(context), False
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as unreadable:
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            said = " ".join(str(unreadable).split())
            raise Unreachable(f"no cluster to talk to: {said}; set KUBECONFIG or pass --context") from None
        chosen, in_pod = namespace or IN_POD_NAMESPACE.read_text().strip(), True
    return Connection(client.ApiClient(settings), chosen or "default", in_pod)


def _namespace_of(context: str | None) -> str | None:
    """The namespace that the named context (None: the current one) works in; None where it does not say."""
    merged = kube_config.KubeConfigMerger(kube_config.KUBE_CONFIG_DEFAULT_LOCATION).config
    found = kube_config.KubeConfigLoader(config_dict=merged, active_context=context).current_context
    namespace: str | None = found["context"].get("namespace")
    return namespace


def _cause(error: BaseException) -> str:
    """The innermost of nested network errors in a few words: theirs repeat addresses and object names."""
    while True:
        deeper = error.__cause__ or getattr(error, "reason", None) or error.__context__
        if not isinstance(deeper, BaseException):
            break
        error = deeper
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(words.split())
