"""Small clips, requests and outcomes for the tests of this room."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.data.manifest import Clip
from p2pfl_me.evaluate.design import Request
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.results import Results
from p2pfl_me.evaluate.run import evaluate
from p2pfl_me.evaluate.write import texts
from p2pfl_me.exits import Exit
from tests.small import CLASSES, write_vectors


def clip(dataset: str, subject: int, number: int, label: str) -> Clip:
    return Clip(Path("x.png"), dataset, f"{dataset}/{subject}", f"c{number}", label)


def contract(*overrides: str) -> Contract:
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 2}}\n"
    classes = f"model.classes=[{', '.join(CLASSES)}]"
    return contract_from_yaml(text, overrides=[classes, "training.rounds=2", "training.local_epochs=1", *overrides])


def request(folder: Path, *overrides: str, subjects: Sequence[int] = range(5), **changes: object) -> Request:
    """Five subjects of twelve vectors, two peers, one seed, one process."""
    data = write_vectors(folder / "vectors.safetensors", subjects)
    made = Request(contract(*overrides), HoldOut.LOSO, "2", folder / "out", folder / "home", data=data, seeds=1)
    return replace(made, **changes)  # type: ignore[arg-type]


def run(asked: Request) -> tuple[int, str]:
    """Its exit code, as the command gives it, and what was said."""
    stream = io.StringIO()
    stopped = evaluate(asked, Console(stream)) is None
    return Exit.STOPPED if stopped else 0, stream.getvalue()


def without_page(results: Results, out: Path) -> Path:
    """Stands in for `write_results` where no test looks at the page: drawing takes longer than training so little."""
    for name, text in texts(results).items():
        (out / name).write_text(text)
    return out
