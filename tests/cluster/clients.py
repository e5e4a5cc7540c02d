"""Clients of a gateway by tenant, and the part of its Envoy: what it asks the brain, and what it logs in the end."""

import itertools
import threading
from collections.abc import Sequence

import grpc
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from wharfage_gateway.headers import client
from wharfage_gateway.unixhttp import UnixConnection

from tests.cluster.brain import BrainProcess
from tests.serving.gateway.test_usage import entry

_PAUSE_S = 0.2


class Clients:
    """They ask one after the other, again and again; each answer ends at once, and came to so many tokens."""

    def __init__(
        self, brain: BrainProcess, model: str, tenants: Sequence[str], *, tokens: tuple[int, int], greedy: str = ""
    ) -> None:
        """`tenants` in turn; `greedy` is one more, which a full bucket lets in and which pays all that it asked for."""
        self._brain = brain
        self._model = model
        self._turns = [(tenant, 100) for tenant in tenants] + ([(greedy, 10**9)] if greedy else [])
        self._greedy = greedy
        self._tokens = tokens
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join(timeout=160)

    def _run(self) -> None:
        with grpc.insecure_channel(f"unix:{self._brain.folder / 'log.sock'}") as channel:
            prompt, output = self._tokens
            log = als_pb2_grpc.AccessLogServiceStub(channel)
            for tenant, most_tokens in itertools.cycle(self._turns):
                if self._over.wait(_PAUSE_S):
                    return
                slot = self._asked(tenant, most_tokens)
                if slot and tenant != self._greedy:  # of whose requests nobody tells what they came to
                    message = als_pb2.StreamAccessLogsMessage()
                    message.http_logs.log_entry.append(entry(slot=slot, prompt_tokens=prompt, completion_tokens=output))
                    log.StreamAccessLogs(iter([message]))

    def _asked(self, tenant: str, most_tokens: int) -> str:
        """The slot of a request that is let in; empty for one that is not."""
        connection = UnixConnection(self._brain.folder / "brain.sock", timeout_s=150.0)
        headers = {"x-model": self._model, "x-client": client(tenant, ""), "x-most-tokens": str(most_tokens)}
        connection.request("POST", "/check/v1/chat/completions", headers={**headers, "content-length": "0"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.headers.get("x-slot", "")
