"""Runs inside a peer's environment: one line of JSON in, one out.

The first line begins the driver: `begin(settings)` returns what answers the others. What the peer itself prints goes
to standard error.
"""

import importlib
import json
import os
import sys


def main() -> None:
    """Answer until there is nothing more to answer."""
    folder, name = sys.argv[1:]
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        sys.path.insert(0, folder)
        answer = None
        for line in sys.stdin:
            question = json.loads(line)
            if answer is None:
                answer = importlib.import_module(name).begin(question)
                answers.write("null\n")
            else:
                answers.write(json.dumps(answer(question)) + "\n")
            answers.flush()


main()
