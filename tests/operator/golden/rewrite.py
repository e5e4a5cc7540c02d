"""Writes chat.yaml anew from what the code makes now: `python -m tests.operator.golden.rewrite`."""

import json
from pathlib import Path

import yaml
from wharfage_operator.children import ChildSettings

from tests.operator.test_manifests import EVERYTHING, children

HEAD = "# Every child of the full form, whole; made by rewrite.py, compared by test_manifests.py.\n"


def main() -> None:
    made = list(children(settings=ChildSettings(pod_monitors=True), **EVERYTHING).values())
    made[1]["data"] = {"wharfage_drain.py": "the file of serving/wharfage_serving/drain.py"}
    for obj in made:
        del obj["metadata"]["annotations"]["wharfage.dev/intent"]
    plain = json.loads(json.dumps(made))  # no YAML anchors for shared parts
    Path(__file__).with_name("chat.yaml").write_text(HEAD + yaml.safe_dump_all(plain, sort_keys=False, width=140))


if __name__ == "__main__":
    main()
