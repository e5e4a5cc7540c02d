"""kubectl against one cluster: what the demos do is what a user could type."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CommandFailed(Exception):  # noqa: N818 -- what happened, as the demo prints it
    """A command ended with an error; the message holds its own words."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One binary, one kubeconfig (None: the ambient one) and one context (None: the current one)."""

    binary: Path
    kubeconfig: Path | None = None
    context: str | None = None

    def run(self, *arguments: str, stdin: str | None = None, folder: Path | None = None) -> str:
        """Run kubectl and return what it printed; raises `CommandFailed`."""
        context = ["--context", self.context] if self.context else []
        return run([str(self.binary), *context, *arguments], kubeconfig=self.kubeconfig, stdin=stdin, folder=folder)

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a `get` and return the object or list."""
        answer: dict[str, Any] = json.loads(self.run(*arguments, "-o", "json"))
        return answer

    def find(self, *arguments: str) -> dict[str, Any] | None:
        """As `json`, but None where the object does not exist."""
        text = self.run(*arguments, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None


def run(
    command: list[str], *, kubeconfig: Path | None = None, stdin: str | None = None, folder: Path | None = None
) -> str:
    """Run a command to its end and return its output; raises `CommandFailed` with its error text."""
    environment = dict(os.environ)
    if kubeconfig:
        environment["KUBECONFIG"] = str(kubeconfig)
    done = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, cwd=folder
    )
    if done.returncode:
        raise CommandFailed(f"{' '.join(command[:8])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
