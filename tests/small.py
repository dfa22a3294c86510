"""Small real work for whole-process tests: feature vectors, a contract on free ports, commands, waiting for events."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from safetensors.numpy import save_file

from p2pfl_me.cli.main import cli
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import P2pmeError
from p2pfl_me.options import RunOptions
from p2pfl_me.swarm.launcher import launch
from tests import warm
from tests.warm import WarmProcess
from tests.wire.peers import free_base

CLASSES = ("negative", "positive", "surprise")


def write_vectors(path: Path, subjects: Sequence[int], *, per_subject: int = 12, split: int | None = None) -> Path:
    """Class means that can be learned, noise, and the given subjects."""
    random = np.random.default_rng([7, *subjects])
    means = np.random.default_rng(0).normal(size=(len(CLASSES), 2048))
    count = per_subject * len(subjects)
    labels = np.arange(count) % len(CLASSES)
    features = (0.1 * means[labels] + random.normal(size=(count, 2048))).astype(np.float32)
    tensors = {"features": features, "labels": labels, "subjects": np.repeat(np.array(subjects), per_subject)}
    if split is not None:
        tensors["split"] = np.full(count, split)
    save_file(tensors, path, {"classes": json.dumps(CLASSES), "layer": "head"})
    return path


def write_contract(path: Path, count: int, **extra: str) -> Path:
    """A ring on free ports; `extra` are whole sections."""
    sections = {
        "topology": "{kind: ring}",
        "peers": f"{{loopback: {{count: {count}, base_port: {free_base(count)}}}}}",
        "model": f"{{classes: [{', '.join(CLASSES)}]}}",
        "training": "{rounds: 3, local_epochs: 1}",
        **extra,
    }
    lines = ["version: 1", f"name: {path.stem}", *(f"{key}: {value}" for key, value in sections.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass
class Command:
    """A running `p2pme`, in a session of its own as a shell would start it.

    It need not import torch afresh (`tests.warm`), unless its interpreter must be `new`.
    """

    arguments: Sequence[str]
    home: Path
    new: bool = False
    process: subprocess.Popen[str] | WarmProcess = field(init=False)

    def __post_init__(self) -> None:
        environment = {**os.environ, "P2PME_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        self.process = warm.start(self.arguments, environment, new=self.new)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal tells the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)

    def finish(self, timeout_s: float = 120.0) -> tuple[int, str]:
        try:
            output, _ = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            output, _ = self.process.communicate()
            raise AssertionError(f"{self.arguments} did not end within {timeout_s} s:\n{output}") from None
        return self.process.returncode, output


def p2pme(home: Path, *arguments: str | Path, timeout_s: float = 120.0) -> tuple[int, str]:
    """Run one command to its end: exit code and output."""
    return Command([str(argument) for argument in arguments], home).finish(timeout_s)


def here(home: Path, *arguments: str | Path) -> tuple[int, str]:
    """A command within this process: exit code and what it says itself. The peers of a swarm are processes of this
    one's fork server, and what they print is theirs."""
    run = CliRunner().invoke(cli, [str(each) for each in arguments], env={"P2PME_HOME": str(home)})
    error = run.exception
    if isinstance(error, P2pmeError):
        return error.exit_code, f"{run.output}Error: {error}\n"
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return run.exit_code, run.output


def swarm(contract: Path, data: Path, run: Path, *overrides: str, ends: Collection[int] = (0,)) -> None:
    """Real peers to their end, from this process: one fork server, and one import of torch, for all such tests."""
    stream = io.StringIO()
    options = RunOptions(home=contract.parent / "home", run=run, data=data)
    code = launch(load_contract(contract, overrides), options, Console(stream))
    assert code in ends, stream.getvalue()


def events(run: Path, peer: int, kind: str | None = None) -> list[dict[str, Any]]:
    path = run / f"peer-{peer}.jsonl"
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if kind is None or event["event"] == kind:
            found.append(event)
    return found


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait for another process: look again until it is so."""
    until = time.monotonic() + timeout_s
    pause = 0.02
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout_s:g} s in vain: {what}")
        # Other processes work meanwhile; this is a look-again interval, not a guess at how long they take.
        signal.sigtimedwait([], pause)
