"""A stand-in for vLLM: answers what the operator, the kubelet and a client ask, and takes vLLM's arguments.

A model called `does-not-exist` makes it fail the way the real engine does: an error on the last line, status 1.
"""

import json
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRICS = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="%(model)s"} 0.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model_name="%(model)s"} 0.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{model_name="%(model)s"} 0.0
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{model_name="%(model)s"} %(prompt)d.0
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{model_name="%(model)s"} %(output)d.0
"""


class Engine(BaseHTTPRequestHandler):
    """The routes; token counts live on the class, one engine per process."""

    model = "unnamed"
    prompt_tokens = 0
    output_tokens = 0

    def do_GET(self) -> None:
        """Health, metrics and the list of models."""
        if self.path == "/health":
            self._answer(200, "text/plain", "")
        elif self.path == "/metrics":
            seen = {"model": self.model, "prompt": Engine.prompt_tokens, "output": Engine.output_tokens}
            self._answer(200, "text/plain", METRICS % seen)
        elif self.path == "/v1/models":
            self._answer(200, "application/json", json.dumps({"object": "list", "data": [{"id": self.model}]}))
        else:
            self._answer(404, "text/plain", "no such route")

    def do_POST(self) -> None:
        """A completion of three words."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        Engine.prompt_tokens += len(str(body.get("prompt", "")).split())
        Engine.output_tokens += 3
        text = "ships at anchor"
        answer = {
            "object": "text_completion",
            "model": self.model,
            "choices": [{"text": text, "finish_reason": "stop"}],
        }
        self._answer(200, "application/json", json.dumps(answer))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: probes ask every second."""

    def _answer(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def argument(name: str, default: str) -> str:
    """The value of `--name value` or `--name=value` on our command line."""
    words = sys.argv[1:]
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return default


def main() -> int:
    """Serve until SIGTERM."""
    Engine.model = argument("--served-model-name", "unnamed")
    if "does-not-exist" in " ".join(sys.argv):
        print("INFO: starting", file=sys.stderr)
        time.sleep(0.2)
        print("OSError: org/does-not-exist is not a local folder and is not a valid model identifier", file=sys.stderr)
        return 1
    server = ThreadingHTTPServer(("0.0.0.0", int(argument("--port", "8000"))), Engine)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
