"""Asks a served model one question and prints the answer as it comes: `python -m tests.engine.ask URL QUESTION`."""

import argparse
import http.client
import json
import sys
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit


class Refused(Exception):  # noqa: N818 -- what happened, as the program prints it
    """The server answered, but not with a stream; the message holds its words."""


def answer(url: str, question: str, *, model: str, max_tokens: int) -> Iterator[str]:
    """The pieces of a streamed chat answer. Raises `Refused`, or `OSError` when nobody listens."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=60)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": max_tokens,
        "stream": True,
    }
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            if response.status != http.HTTPStatus.OK:
                raise Refused(f"status {response.status}: {response.read().decode(errors='replace')}")
            while line := response.readline():
                yield from _pieces(line)
    finally:
        connection.close()


def _pieces(line: bytes) -> Iterator[str]:
    """The text in one line of server-sent events."""
    if not line.startswith(b"data: {"):
        return
    for choice in json.loads(line.removeprefix(b"data: "))["choices"]:
        if text := choice["delta"].get("content"):
            yield text


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the answer piece by piece, each piece as it arrives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("question")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--max-tokens", type=int, default=48)
    given = parser.parse_args(arguments)
    try:
        for piece in answer(given.url, given.question, model=given.model, max_tokens=given.max_tokens):
            print(piece, end="", flush=True)
    except (Refused, OSError, http.client.HTTPException) as trouble:
        print(f"{given.url}: {trouble}", file=sys.stderr)
        return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
