"""Writes chat.yaml and reader.yaml anew from what the code makes now: `python -m tests.operator.golden.rewrite`."""

import json
from pathlib import Path

import yaml
from wharfage_operator.children import ChildSettings
from wharfage_operator.reader import numbered

from tests.operator.test_manifests import EVERYTHING, FILES, children
from tests.operator.test_reader import made as reader

CHILDREN = "# Every child of the full form, whole; made by rewrite.py, compared by test_manifests.py.\n"
READER = "# The pod that reads a config.json, second attempt; made by rewrite.py, compared by test_reader.py.\n"


def main() -> None:
    made = list(children(settings=ChildSettings(pod_monitors=True), **EVERYTHING).values())
    made[1]["data"] = FILES
    for obj in made:
        del obj["metadata"]["annotations"]["wharfage.dev/intent"]
    _write("chat.yaml", CHILDREN, made)
    _write("reader.yaml", READER, [numbered(reader(**EVERYTHING), 2)])


def _write(name: str, head: str, objects: list[dict[str, object]]) -> None:
    plain = json.loads(json.dumps(objects))  # no YAML anchors for shared parts
    Path(__file__).with_name(name).write_text(head + yaml.safe_dump_all(plain, sort_keys=False, width=140))


if __name__ == "__main__":
    main()
