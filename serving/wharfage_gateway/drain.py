"""Before Envoy's container ends: nothing new comes, what is under way ends. Kubernetes calls it as the preStop hook.

Envoy by itself stops at once on SIGTERM: of 28 streams one was cut and 15 requests were refused. So it first fails its
own health check, goes on while the endpoint goes out of everybody's tables, closes connections as they fall idle, and
is left alone once no request is under way.
"""

import argparse
import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from wharfage_gateway.envoy import Options
from wharfage_gateway.unixhttp import UnixConnection

ACTIVE = "downstream_rq_active"
_UNLISTED_S = 5.0  # from the failed check until no node sends anything new here
_LOOK_EVERY_S = 0.5
_ANSWER_S = 5.0
_MARGIN_S = 5.0  # the hook counts in the pod's grace; what is left then is cut

Ask = Callable[[str, str], bytes]
"""Method and path of a request to Envoy's admin interface; its answer. OSError where nobody answers."""


def asking(path: Path) -> Ask:
    """Asks the admin interface at a socket."""

    def ask(method: str, target: str) -> bytes:
        connection = UnixConnection(path, timeout_s=_ANSWER_S)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise OSError(f"{method} {target}: {answer.status}")
            return body
        except http.client.HTTPException as error:
            raise OSError(f"{method} {target}: {error!r}") from error
        finally:
            connection.close()

    return ask


def drain(ask: Ask, *, within_s: float, now: Callable[[], float], wait: Callable[[float], None]) -> int:
    """Drain, and return how many requests were still under way when the time was over; OSError without an Envoy."""
    end_s = now() + within_s - min(_MARGIN_S, within_s / 2)
    ask("POST", "/healthcheck/fail")
    wait(min(_UNLISTED_S, max(0.0, end_s - now())))
    ask("POST", "/drain_listeners?graceful&skip_exit")
    while (left := active(ask)) and now() < end_s:
        wait(_LOOK_EVERY_S)
    return left


def active(ask: Ask) -> int:
    """Requests under way at the listener for clients."""
    stats = json.loads(ask("GET", f"/stats?format=json&filter=^http%5C.wharfage%5C.{ACTIVE}$"))["stats"]
    return sum(int(each.get("value", 0)) for each in stats)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drain the Envoy of a folder; 1 where it does not answer, since then there is nothing to wait for."""
    parser = argparse.ArgumentParser(prog="python -m wharfage_gateway.drain", description="Drain Envoy.")
    parser.add_argument("--folder", required=True, help="folder that Envoy and the brain share")
    parser.add_argument("--within-s", type=float, default=900.0, help="for how long at the most")
    options = parser.parse_args(arguments)
    ask = asking(Path(Options(folder=options.folder).admin_socket))
    try:
        left = drain(ask, within_s=options.within_s, now=time.monotonic, wait=time.sleep)
    except OSError as error:
        sys.stderr.write(f"Envoy does not answer: {error}\n")
        return 1
    if left:
        sys.stderr.write(f"{left} requests are cut: they took longer than {options.within_s:g} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
