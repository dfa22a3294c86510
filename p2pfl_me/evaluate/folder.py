"""The folder of an evaluation, and what makes it a finished one. Without torch: `p2pme report` asks all folders."""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.run.latest import dated

CARD, ANSWERS = "card.json", "predictions.csv"
"""The run card for machines (`card.md` is the same for people), and every answer."""


def new_folder() -> Path:
    """Where an evaluation goes whose user named no folder."""
    return dated(Path("evaluations"))


def is_evaluation(folder: Path) -> bool:
    """Whether a finished evaluation lies there."""
    return (folder / CARD).is_file() and (folder / ANSWERS).is_file()
