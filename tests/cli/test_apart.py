"""No command writes over what it reads: films, sheets, manifests, keys, checkpoints and contracts stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.main import cli
from p2pfl_me.errors import P2pmeError


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of every kind that a command reads, which need not be sound: nothing of them may be written over."""
    monkeypatch.chdir(tmp_path)
    for name in ("film.avi", "truth.csv", "data/sheet.xlsx", "list.csv", "m.csv", "run/contract.yaml", "lab.key"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"the only copy of {name}")
    for number in range(2):
        (tmp_path / "run" / f"checkpoint-{number}.safetensors").write_text("a model")
    (tmp_path / "link.csv").symlink_to("m.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "m.csv")
    return tmp_path


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        "spot film.avi -o film.avi",
        "spot film.avi --truth truth.csv -o truth.csv",
        "spot data --fps 30 -o data/sheet.xlsx",
        "data manifest data -o data/sheet.xlsx",
        "data manifest m.csv -o m.csv --leave-out",
        "data manifest m.csv -o ./data/../m.csv",
        "data manifest m.csv -o link.csv",
        "data manifest m.csv -o hard.csv",
        "data manifest data --only list.csv -o list.csv",
        "data forget lab/s1 --data m.csv -o m.csv",
        "data forget lab/s1 --data m.csv -o run/contract.yaml run",
        "data prepare m.csv --topology ring -o m.csv",
        "export run -o run/checkpoint-0.safetensors",
        "export run -o m.csv --data m.csv",
        "keys rotate lab.key --topology ring --days 3 -o lab.key",
        "keys revoke lab.key --topology ring -o lab.key",
        "propose run/contract.yaml --run run -o run/contract.yaml",
        "ticket truth.csv --run run --id 0 --for 1 -o truth.csv",
        "leave --run run --id 0 --key lab.key --after 3 -o lab.key",
    ],
)
def test_what_is_read_is_not_written_over(lab: Path, words: str) -> None:
    before = everything(lab)
    with pytest.raises(P2pmeError, match=r"is of what this command reads .*and would be lost"):
        raise CliRunner().invoke(cli, words.split()).exception or AssertionError("nothing was refused")
    assert everything(lab) == before


def test_a_new_file_an_older_one_of_the_commands_own_and_another_are_written(lab: Path) -> None:
    (lab / "run" / "model.onnx").write_text("an older export")
    for out in (lab / "new.csv", lab / "run" / "new.onnx", lab / "truth.csv", None):
        require_apart(out, lab / "m.csv", lab / "run", None, lab / "gone")
    require_apart(lab / "run" / "model.onnx", lab / "run", again=".onnx")
    with pytest.raises(P2pmeError):
        require_apart(lab / "run" / "model.onnx", lab / "run")
