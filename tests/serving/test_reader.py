"""The reader of config.json: from a folder, from a hub, and what it says when it cannot."""

import ast
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from wharfage_autoscaler.checkpoint import quantization_of_checkpoint, shape_of_checkpoint
from wharfage_autoscaler.shapes import KNOWN, shape_of_config
from wharfage_serving import reader as module
from wharfage_serving.reader import (
    KEYS,
    LONGEST_ANSWER,
    LONGEST_CONFIG,
    Folder,
    Hub,
    UnreadableError,
    answer,
    excerpt,
    main,
    place,
    shown,
)

SOURCE = Path(module.__file__)
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "intermediate_size": 512,
    "vocab_size": 4096,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "rope_scaling": {"factor": 8.0},
    "task_specific_params": ["x" * 1000] * 100,
}
INDEX = {"metadata": {"total_size": 2_040_000}, "weight_map": {}}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine that runs the tests has no say on loopback."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def told(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def folder(path: Path, **files: object) -> Folder:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (path / name.replace("__", ".")).write_text(text)
    return Folder(path)


@dataclass
class Page:
    """One answer of the hub: status, body, headers; `wait` is called before it."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: Callable[[], None] = lambda: None


@dataclass
class Served:
    """A hub on loopback, and what it was asked: method, path and token."""

    url: str
    pages: dict[str, list[Page]]
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def model(self, name: str = "org/tiny", revision: str = "", token: str = "") -> Hub:
        return Hub(name, revision, endpoint=self.url, token=token, pause_s=0.0)


@contextmanager
def hub(**pages: Page | list[Page]) -> Iterator[Served]:
    """A hub that serves these pages by file name (`__` for a dot), the last of a list for ever, and 404 for others."""
    known = {name.replace("__", "."): [page] if isinstance(page, Page) else page for name, page in pages.items()}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
            rest = known.get(self.path.rpartition("/")[2], [Page(b"not here", 404)])
            page = rest.pop(0) if len(rest) > 1 else rest[0]
            page.wait()
            self.send_response(page.status)
            for name, value in {"Content-Length": str(len(page.body)), **page.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page.body)

        do_HEAD = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that has gone is what some tests are about."""

    server = Server(("127.0.0.1", 0), Answers)
    served = Served(f"http://127.0.0.1:{server.server_port}", known)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(content: object, **more: Any) -> Page:
    return Page(json.dumps(content).encode(), **more)


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
    }
    assert imported <= sys.stdlib_module_names


def test_a_folder_is_read_with_the_size_of_its_weights(tmp_path: Path) -> None:
    found = told(answer(folder(tmp_path, config__json=CONFIG, model__safetensors__index__json=INDEX)))
    assert found["weightBytes"] == 2_040_000
    assert found["config"]["num_hidden_layers"] == 2
    assert "rope_scaling" not in found["config"]


def test_one_file_of_weights_is_measured(tmp_path: Path) -> None:
    assert told(answer(folder(tmp_path, config__json=CONFIG, model__safetensors="x" * 99)))["weightBytes"] == 99


def test_without_safetensors_there_is_no_size(tmp_path: Path) -> None:
    assert "weightBytes" not in told(answer(folder(tmp_path, config__json=CONFIG)))


@pytest.mark.parametrize(
    "index",
    ["{", {"metadata": {"total_size": "many"}}, {"metadata": None}, [1], {"metadata": {"total_size": -1}}],
    ids=["is cut off", "counts in words", "has no metadata", "is a list", "counts below zero"],
)
def test_an_index_is_not_believed_that(tmp_path: Path, index: object) -> None:
    found = told(answer(folder(tmp_path, config__json=CONFIG, model__safetensors__index__json=index)))
    assert "weightBytes" not in found
    assert found["config"]["vocab_size"] == 4096


@pytest.mark.parametrize("name", KNOWN)
def test_the_excerpt_tells_the_same_shape_as_the_whole_file(name: str) -> None:
    config = {**KNOWN[name].config, "unrelated": {"deep": [1, 2, 3]}}
    short = told(json.dumps(excerpt(config)))
    assert shape_of_config(short) == shape_of_config(config)


class Watched(dict[str, Any]):
    """A config.json that notes which of its keys somebody has looked at."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        super().__init__(rows)
        self.looked_at: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.looked_at.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("name", KNOWN)
def test_the_excerpt_holds_every_key_that_sizing_looks_at(name: str) -> None:
    watched = Watched(KNOWN[name].config)
    shape_of_checkpoint(watched, 10**9)
    quantization_of_checkpoint(watched)
    assert watched.looked_at <= KEYS


def test_a_text_model_inside_a_multimodal_one_is_excerpted() -> None:
    inner = excerpt({"text_config": {**CONFIG, "vision_config": {}}, "vision_config": {"hidden_size": 8, "depth": 1}})
    assert inner["text_config"]["hidden_size"] == 128
    assert inner["vision_config"] == {"hidden_size": 8}


def test_how_weights_are_quantised_is_kept_and_nothing_else_of_it() -> None:
    config = {**CONFIG, "quantization_config": {"quant_method": "fp8", "ignored_layers": ["x"] * 10_000}}
    assert excerpt(config)["quantization_config"] == {"quant_method": "fp8"}


def test_a_hundred_and_fifty_layers_of_two_kinds_fit(tmp_path: Path) -> None:
    kinds = ["sliding_attention", "full_attention"] * 75
    short = answer(folder(tmp_path, config__json={**CONFIG, "sliding_window": 512, "layer_types": kinds}))
    assert len(short) <= LONGEST_ANSWER
    assert told(short)["config"]["layer_types"] == kinds


def test_more_layers_than_fit_are_sized_without_their_window(tmp_path: Path) -> None:
    kinds = ["sliding_attention", "full_attention"] * 500
    short = answer(folder(tmp_path, config__json={**CONFIG, "sliding_window": 512, "layer_types": kinds}))
    assert len(short) <= LONGEST_ANSWER
    assert shape_of_config(told(short)["config"]).window_layers == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "config.json is no JSON: Expecting value"),
        ("", "config.json is no JSON"),
        ('"text"', "config.json holds a str, not an object"),
        ("[" * 100_000, "config.json is no JSON"),
        (" " * (LONGEST_CONFIG + 1), f"has more than {LONGEST_CONFIG} bytes"),
        (b"\xff\xfe\x00", "config.json is no JSON"),
    ],
    ids=["is no JSON", "is empty", "holds text", "is nested without end", "is huge", "is binary"],
)
def test_a_config_is_refused_that(tmp_path: Path, text: str | bytes, words: str) -> None:
    (tmp_path / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UnreadableError) as refused:
        answer(Folder(tmp_path))
    assert words in str(refused.value)


def test_a_folder_without_config_says_what_it_holds_instead(tmp_path: Path) -> None:
    for name in "abcdefg":
        (tmp_path / name).mkdir()
    with pytest.raises(UnreadableError, match=r"has no config\.json; it holds a, b, c, d, e, \.\.\.$"):
        answer(Folder(tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"there is no folder .*nothing: No such file or directory"):
        answer(Folder(tmp_path / "nothing"))


def test_a_file_that_nobody_may_read_says_who_must(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()  # root may read every file, but nobody a folder as one
    with pytest.raises(UnreadableError, match=r"user \d+, as which the engine runs, must be able to read it"):
        answer(Folder(tmp_path))


def test_a_hub_is_asked_for_the_revision_with_the_token() -> None:
    with hub(config__json=page(CONFIG), model__safetensors__index__json=page(INDEX)) as served:
        found = told(answer(served.model(revision="refs/pr/1", token="t0ken")))
        assert found["weightBytes"] == 2_040_000
        assert served.asked[0] == ("GET", "/org/tiny/resolve/refs%2Fpr%2F1/config.json", "Bearer t0ken")


def test_a_hub_without_index_is_asked_how_large_the_one_file_is() -> None:
    elsewhere = Page(status=302, headers={"Location": "http://127.0.0.1:1/gone", "X-Linked-Size": "269060552"})
    with hub(config__json=page(CONFIG), model__safetensors=elsewhere) as served:
        assert told(answer(served.model()))["weightBytes"] == 269_060_552
        assert served.asked[-1][:2] == ("HEAD", "/org/tiny/resolve/main/model.safetensors")


def test_a_mirror_may_serve_the_one_file_itself() -> None:
    with hub(config__json=page(CONFIG), model__safetensors=Page(b"x" * 77)) as served:
        assert told(answer(served.model()))["weightBytes"] == 77


def test_the_token_follows_within_the_hub_and_nowhere_else() -> None:
    with hub(config__json=page(CONFIG)) as other:
        away = Page(status=307, headers={"Location": f"{other.url}/x/config.json"})
        within = Page(status=307, headers={"Location": "/api/resolve-cache/config.json"})
        with hub(config__json=[within, page(CONFIG)]) as served:
            answer(served.model(token="t0ken"))
            assert [token for _, path, token in served.asked if path.endswith("config.json")] == ["Bearer t0ken"] * 2
        with hub(config__json=away) as served:
            answer(served.model(token="t0ken"))
        assert other.asked == [("GET", "/x/config.json", "")]


def test_a_redirect_to_another_scheme_is_not_followed() -> None:
    elsewhere = Page(status=302, headers={"Location": "ftp://127.0.0.1/config.json"})
    with (
        hub(config__json=elsewhere) as served,
        pytest.raises(UnreadableError, match=r"ftp://127\.0\.0\.1, which is not"),
    ):
        answer(served.model())


def test_a_redirect_without_end_is_no_answer() -> None:
    itself = Page(status=302, headers={"Location": "config.json"})
    with hub(config__json=itself) as served, pytest.raises(UnreadableError, match="answers 302"):
        answer(served.model())


def test_what_may_pass_by_itself_is_tried_again() -> None:
    with hub(config__json=[Page(status=503), Page(status=429), page(CONFIG)]) as served:
        assert told(answer(served.model()))["config"]["hidden_size"] == 128


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Page(status=404), "has no config.json, or does not exist: correct source or revision"),
        (Page(status=404, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}),
         "answers 404 for config.json of org/tiny at main (Repository not found): correct source or revision"),
        (Page(status=401, headers={"X-Error-Message": "Access to model org/tiny is restricted"}),
         "(Access to model org/tiny is restricted): correct source or revision, or let spec.model.credentialsSecret"),
        (Page(status=403), "answers 403 for config.json"),
        (Page(status=500), "answers 500 for config.json of org/tiny at main (Internal Server Error)"),
        (Page(b"<html>log in</html>"), "config.json is no JSON"),
        (Page(b" " * (LONGEST_CONFIG + 1)), f"has more than {LONGEST_CONFIG} bytes"),
        (Page(b"{", headers={"Content-Length": "100"}), "config.json is no JSON"),
    ],
    ids=[
        "without such a file", "without such a model", "that wants a token", "that refuses the token",
        "that is broken for long", "behind a page to log in", "with a huge answer", "that hangs up early",
    ],
)  # fmt: skip
def test_a_hub_is_told_of(given: Page, words: str) -> None:
    with hub(config__json=given) as served, pytest.raises(UnreadableError) as refused:
        answer(served.model())
    assert words in str(refused.value)


def test_a_hub_that_is_not_there_is_named_without_its_password() -> None:
    with hub() as served:
        url = served.url
    with pytest.raises(UnreadableError, match=rf"cannot reach {url}: .*Connection refused"):
        answer(Hub("org/tiny", "", endpoint=url, pause_s=0.0))
    assert shown("https://me:secret@mirror.example/hf/") == "https://mirror.example/hf"


def run(*arguments: str, said: Path, **environment: str) -> int:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return main([*arguments, "--answer", str(said)])
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_a_hub_that_never_ends_its_answer_is_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released = threading.Event()
    slow = page(CONFIG, wait=lambda: bool(released.wait(60)) and None)
    with hub(config__json=slow) as served:
        assert run("org/tiny", "--within", "1", said=tmp_path / "said", HF_ENDPOINT=served.url) == 1
        released.set()
    assert (tmp_path / "said").read_text() == "it took too long"
    assert capsys.readouterr().err == "it took too long\n"


def test_the_token_is_read_from_the_mounted_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    with hub(config__json=page(CONFIG)) as served:
        environment = {"HF_ENDPOINT": served.url, "HF_TOKEN_PATH": str(tmp_path / "token"), "HF_TOKEN": "other"}
        assert run("org/tiny", said=tmp_path / "said", **environment) == 0
        assert served.asked[0][2] == "Bearer t0ken"
    assert told((tmp_path / "said").read_text())["config"]["hidden_size"] == 128


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "cannot be read: "),
        ("two words", "is not one line"),
        ("a\nb", "is not one line"),
        ("é", "is not one line"),
    ],
    ids=["is not there", "has a blank", "has two lines", "has an accent"],
)
def test_a_token_is_refused_that(tmp_path: Path, token: str | None, words: str) -> None:
    path = tmp_path / "token"
    if token is not None:
        path.write_text(token)
    with pytest.raises(UnreadableError, match=words):
        place("org/tiny", "", {"HF_TOKEN_PATH": str(path)})


def test_as_a_program_it_leaves_its_answer_in_the_termination_message(tmp_path: Path) -> None:
    folder(tmp_path, config__json=CONFIG)
    command = [
        sys.executable,
        "-I",
        str(SOURCE),
        str(tmp_path),
        "--revision",
        "main",
        "--answer",
        str(tmp_path / "said"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (tmp_path / "said").read_text() + "\n"
