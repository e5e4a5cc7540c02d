"""How vLLM 0.32 answers in each of its APIs: a whole answer, or the events of a stream, and where each tells tokens."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
CACHED = 8
"""Tokens of a prompt that are taken to lie in the cache already, which Messages does not count as input."""


@dataclass(frozen=True)
class Said:
    """One answer."""

    name: str
    model: str
    prompt: int
    output: int


def most(path: str, body: Json) -> int | None:
    """The limit of the answer as the engine reads it."""
    names = {"/v1/responses": ("max_output_tokens",), "/v1/chat/completions": ("max_completion_tokens", "max_tokens")}
    return next((int(body[name]) for name in names.get(path, ("max_tokens",)) if body.get(name)), None)


def whole(path: str, said: Said) -> Json:
    """The body of an answer that is no stream."""
    text = "word " * said.output
    if path == "/v1/responses":
        content = [{"type": "output_text", "text": text, "annotations": []}]
        output = [{"type": "message", "role": "assistant", "content": content}]
        return {
            "id": said.name,
            "object": "response",
            "status": "completed",
            "model": said.model,
            "output": output,
            "usage": _responses_usage(said),
        }
    if path == "/v1/messages":
        return {
            "id": said.name,
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "model": said.model,
            "stop_reason": "end_turn",
            "usage": _messages_usage(said, said.output),
        }
    if path == "/v1/messages/count_tokens":
        return {"input_tokens": said.prompt}
    return {
        "id": said.name,
        "object": "chat.completion",
        "model": said.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": _usage(said.prompt, said.output),
    }


def beginning(path: str, said: Said) -> bytes:
    """What comes before the first token."""
    if path == "/v1/responses":
        response: Json = {"id": said.name, "object": "response", "status": "in_progress", "output": [], "usage": None}
        return b"".join(_event(f"response.{kind}", response=response) for kind in ("created", "in_progress"))
    if path == "/v1/messages":
        message = {"id": said.name, "type": "message", "role": "assistant", "content": [], "model": said.model}
        start = _event("message_start", message={**message, "usage": _messages_usage(said, 0)})
        return start + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    return b""


def portion(path: str, said: Said, number: int) -> bytes:
    """One token; only completions tell what it came to so far."""
    if path == "/v1/responses":
        return _event("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta=f"w{number} ")
    if path == "/v1/messages":
        return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"w{number} "})
    told = {
        "id": said.name,
        "object": "chat.completion.chunk",
        "model": said.model,
        "choices": [{"index": 0, "delta": {"content": f"w{number} "}}],
        "usage": _usage(said.prompt, number),
    }
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def end(path: str, said: Said) -> bytes:
    """What comes after the last token; Responses repeats the whole answer."""
    return b"".join(_end(path, said))


def _end(path: str, said: Said) -> Iterator[bytes]:
    if path == "/v1/responses":
        yield _event("response.completed", response=whole(path, said))
    elif path == "/v1/messages":
        yield _event("content_block_stop", index=0)
        yield _event("message_delta", delta={"stop_reason": "end_turn"}, usage=_messages_usage(said, said.output))
        yield _event("message_stop")
    else:
        yield b"data: [DONE]\n\n"


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _usage(prompt: int, output: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def _responses_usage(said: Said) -> Json:
    return {
        "input_tokens": said.prompt,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": said.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.prompt + said.output,
    }


def _messages_usage(said: Said, output: int) -> dict[str, int]:
    cached = min(CACHED, said.prompt)
    return {"input_tokens": said.prompt - cached, "output_tokens": output, "cache_read_input_tokens": cached}
