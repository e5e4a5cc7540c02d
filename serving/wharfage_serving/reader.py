"""Reads from a model's own files what sizing needs: the numbers of its config.json, and what its weights take.

No machine can be chosen for a model whose shape nobody knows, and its files are where only the deployment's own
pods may look: its claim, its token, its proxy. So a small pod runs this file there and leaves what it found in its
termination message, where the operator reads it. That holds 4096 bytes, hence an excerpt.

One file of the standard library, mounted into the stock engine image like the drain:

    python3 -I wharfage_reader.py MODEL [--revision R]

MODEL is what the engine is started with: a folder, or a name of the hub, which is asked as the hub's own client asks
(HF_ENDPOINT, HF_TOKEN_PATH, HF_TOKEN, proxies).
"""

import argparse
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote, urlsplit

KEYS = frozenset(
    {
        "architectures", "dtype", "experts_per_token", "first_k_dense_replace", "head_dim", "hidden_size",
        "intermediate_size", "kv_lora_rank", "layer_types", "max_position_embeddings", "model_type",
        "moe_intermediate_size", "n_routed_experts", "n_shared_experts", "num_attention_heads", "num_experts",
        "num_experts_per_tok", "num_experts_per_token", "num_hidden_layers", "num_key_value_heads",
        "num_local_experts", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "quantization_config",
        "shared_expert_intermediate_size", "sliding_window", "sliding_window_pattern", "text_config",
        "tie_word_embeddings", "torch_dtype", "use_sliding_window", "v_head_dim", "vision_config", "vocab_size",
    }
)  # fmt: skip
"""What `wharfage_autoscaler.configs` and `checkpoint` look at; a test holds them against each other."""

HUB = "https://huggingface.co"
LONGEST_ANSWER = 4096
LONGEST_CONFIG = 4 * 2**20
LONGEST_INDEX = 16 * 2**20  # the largest known, of 163 shards, has 9 MB
_INSIDE = {
    "text_config": KEYS - {"text_config", "vision_config"},
    "vision_config": frozenset({"hidden_size", "intermediate_size", "num_hidden_layers"}),
    "quantization_config": frozenset({"quant_algo", "quant_method"}),
}
_WINDOW = ("sliding_window", "layer_types")
_LONGEST_WORD = 64
_TRIES = 3
_PAUSE_S = 2.0
_SOCKET_TIMEOUT_S = 10.0
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SIZE = "X-Linked-Size"  # of a large file, on the hub's redirect to where it lies


class UnreadableError(Exception):
    """Why the model could not be read: a sentence that says what to do."""


class Place(Protocol):
    """Where the files of one model are."""

    def read(self, name: str, longest: int) -> bytes | None:
        """A file's content, or None where there is no such file; UnreadableError beyond `longest` bytes."""
        ...

    def size(self, name: str) -> int | None:
        """A file's size in bytes, or None where it is not known."""
        ...

    def missing(self, name: str) -> str:
        """What to say to the user when a file that must be there is not."""
        ...


def answer(place: Place) -> str:
    """The excerpt of config.json and the bytes of the weights (where the files tell), as JSON of up to 4096 bytes."""
    text = place.read("config.json", LONGEST_CONFIG)
    if text is None:
        raise UnreadableError(place.missing("config.json"))
    found: dict[str, Any] = {"config": excerpt(_parsed(text, "config.json"))}
    try:
        weight_bytes = _weight_bytes(place)
    except UnreadableError as error:  # a derived count is better than none
        sys.stderr.write(f"the size of the weights is not known: {error}\n")
    else:
        if weight_bytes:
            found["weightBytes"] = weight_bytes
    short = _short(found)
    if len(short) > LONGEST_ANSWER:
        # Without its window a model is sized as if every layer kept every token: too large, never too small.
        found["config"] = _without_window(found["config"])
        short = _short(found)
    if len(short) > LONGEST_ANSWER:
        raise UnreadableError(f"the numbers of its config.json do not fit into {LONGEST_ANSWER} bytes")
    return short


def excerpt(config: Mapping[str, Any], keys: frozenset[str] = KEYS) -> dict[str, Any]:
    """What sizing looks at, with everything that could be long cut short."""
    found: dict[str, Any] = {}
    for name in sorted(keys & config.keys()):
        value = config[name]
        if name in _INSIDE and isinstance(value, dict):
            found[name] = excerpt(value, _INSIDE[name])
        elif name in ("layer_types", "architectures") and isinstance(value, list):
            found[name] = [str(item)[:_LONGEST_WORD] for item in value]
        elif value is None or isinstance(value, bool | int | float):
            found[name] = value
        else:
            found[name] = str(value)[:_LONGEST_WORD]
    return found


def _without_window(config: Mapping[str, Any]) -> dict[str, Any]:
    inner = {name: _without_window(value) for name, value in config.items() if isinstance(value, dict)}
    return {name: value for name, value in config.items() if name not in _WINDOW} | inner


def _weight_bytes(place: Place) -> int | None:
    index = place.read("model.safetensors.index.json", LONGEST_INDEX)
    if index is None:
        return place.size("model.safetensors")
    metadata = _parsed(index, "model.safetensors.index.json").get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return total if isinstance(total, int) and total > 0 else None


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UnreadableError(f"{name} holds a {type(value).__name__}, not an object")
    return value


def _short(found: Mapping[str, Any]) -> str:
    return json.dumps(found, separators=(",", ":"))


class Folder:
    """A model in a folder of a claim or an image."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, longest: int) -> bytes | None:
        """As `Place` says."""
        try:
            with (self._path / name).open("rb") as stream:
                text = stream.read(longest + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            mend = f"user {os.getuid()}, as which the engine runs, must be able to read it"
            raise UnreadableError(f"{self._path / name}: {error.strerror}; {mend}") from error
        if len(text) > longest:
            raise UnreadableError(f"{self._path / name} has more than {longest} bytes")
        return text

    def size(self, name: str) -> int | None:
        """As `Place` says."""
        try:
            return (self._path / name).stat().st_size
        except OSError:
            return None

    def missing(self, name: str) -> str:
        """What is there instead."""
        try:
            names = sorted(path.name for path in self._path.iterdir())
        except OSError as error:
            return f"there is no folder {self._path}: {error.strerror}"
        there = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        return f"{self._path} has no {name}; it holds {there or 'nothing'}"


class Hub:
    """A model of the Hugging Face hub, or of whatever answers like it."""

    def __init__(
        self, name: str, revision: str, *, endpoint: str = HUB, token: str = "", pause_s: float = _PAUSE_S
    ) -> None:
        """`pause_s` passes between two tries of what may pass by itself."""
        self._name = name
        self._revision = revision or "main"
        self._endpoint = endpoint.rstrip("/")
        self._shown = shown(endpoint)
        self._token = token
        self._pause_s = pause_s
        self._opener = urllib.request.build_opener(_Redirects)

    def read(self, name: str, longest: int) -> bytes | None:
        """As `Place` says."""
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                with self._open(name) as found:
                    text: bytes = found.read(longest + 1)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 404 and error.headers.get("X-Error-Code") in (None, "EntryNotFound"):
                    return None
                if last or error.code not in _MAY_PASS:
                    raise UnreadableError(self._refused(name, error)) from error
            except (OSError, HTTPException) as error:
                if last:
                    words = getattr(error, "reason", None) or error
                    raise UnreadableError(f"cannot reach {self._shown}: {words or type(error).__name__}") from error
            else:
                if len(text) > longest:
                    raise UnreadableError(f"{name} of {self._name} has more than {longest} bytes")
                return text
            time.sleep(self._pause_s)
        raise AssertionError("the last try returns or raises")

    def size(self, name: str) -> int | None:
        """As `Place` says; the file itself is not opened."""
        try:
            with self._open(name, method="HEAD") as found:
                size = found.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            error.close()
            size = error.headers.get(_SIZE)
        except (OSError, HTTPException):
            return None
        return int(size) if size and size.isdecimal() else None

    def missing(self, name: str) -> str:
        """What to correct."""
        where = f"{self._shown}/{self._name} at {self._revision}"
        return f"{where} has no {name}, or does not exist: correct source or revision"

    def _open(self, name: str, *, method: str = "GET") -> Any:
        url = f"{self._endpoint}/{quote(self._name)}/resolve/{quote(self._revision, safe='')}/{name}"
        asked = urllib.request.Request(url, method=method, headers={"User-Agent": "wharfage"})  # noqa: S310 - the user's own endpoint
        if self._token:
            asked.add_unredirected_header("Authorization", f"Bearer {self._token}")
        return self._opener.open(asked, timeout=_SOCKET_TIMEOUT_S)

    def _refused(self, name: str, error: urllib.error.HTTPError) -> str:
        where = f"{self._shown} answers {error.code} for {name} of {self._name} at {self._revision}"
        said = error.headers.get("X-Error-Message") or error.reason
        if error.code in (401, 403, 404):
            advice = "correct source or revision, or let spec.model.credentialsSecret hold a token that may read it"
            return f"{where} ({said}): {advice}"
        return f"{where} ({said})"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Sends the token to the hub alone, and nothing from https to http; a large file need not be visited."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows a redirect; None makes the redirect itself the answer."""
        if req.get_method() == "HEAD" and _SIZE in headers:
            return None
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in ("https", before.scheme):
            raise UnreadableError(
                f"{before.netloc} redirects to {after.scheme}://{after.netloc}, which is not followed"
            )
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        token = req.get_header("Authorization")
        if following is not None and token and after.netloc == before.netloc:
            following.add_unredirected_header("Authorization", token)
        return following


def shown(endpoint: str) -> str:
    """An address as it may be shown: without the name and password that it may carry."""
    parts = urlsplit(endpoint.rstrip("/"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def place(model: str, revision: str, environment: Mapping[str, str]) -> Place:
    """Where a model lies that is named as the engine names it."""
    if model.startswith("/"):
        return Folder(Path(model))
    return Hub(model, revision, endpoint=environment.get("HF_ENDPOINT") or HUB, token=_token(environment))


def _token(environment: Mapping[str, str]) -> str:
    path, token = environment.get("HF_TOKEN_PATH", ""), environment.get("HF_TOKEN", "")
    if path:
        try:
            token = Path(path).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise UnreadableError(f"the token in {path} cannot be read: {error}") from error
    token = token.strip()
    if not token.isascii() or any(not char.isprintable() or char == " " for char in token):
        raise UnreadableError("the token is not one line of letters and digits: look at the Secret")
    return token


def _late(_number: int, _frame: object) -> None:
    raise UnreadableError("it took too long")


def _ended(_number: int, _frame: object) -> None:
    raise UnreadableError("the pod was told to end")


def main(arguments: list[str] | None = None) -> int:
    """Write the answer, or the sentence why there is none, into the termination message; 1 for the latter."""
    parser = argparse.ArgumentParser(prog="wharfage_reader", description="Read what sizing needs of a model.")
    parser.add_argument("model", help="a folder, or a name of the Hugging Face hub")
    parser.add_argument("--revision", default="", help="branch, tag or commit at the hub")
    parser.add_argument("--answer", type=Path, default=Path("/dev/termination-log"), metavar="FILE")
    parser.add_argument("--within", type=float, default=60.0, metavar="S", help="give up after so long")
    given = parser.parse_args(arguments)
    before = signal.signal(signal.SIGALRM, _late), signal.signal(signal.SIGTERM, _ended)
    signal.setitimer(signal.ITIMER_REAL, given.within)
    try:
        said, status = answer(place(given.model, given.revision, os.environ)), 0
    except UnreadableError as error:
        said, status = str(error), 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before[0])
        signal.signal(signal.SIGTERM, before[1])
    (sys.stderr if status else sys.stdout).write(f"{said}\n")
    given.answer.write_text(said, "utf-8")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
