"""`p2pme data prepare`: images are made once, counted, and the apexes that were taken can be kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.data_prepare import prepare
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.reading import read_clips
from tests.data.make import row, rows, save
from tests.data.preprocess.make import film, person, texture

CONTRACT = """
version: 1
name: t
topology: {kind: ring}
peers: {loopback: {count: 3}}
model: {classes: [negative, positive], input: flow, preprocess: {align: face, apex_unknown: greatest_flow}}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    film(tmp_path / "data" / "face", person(0, "surprise"))
    for number in (1, 2):
        save(tmp_path / "data" / "wall" / f"{number}.png", texture(128))
    rows(
        tmp_path / "data" / "manifest.csv",
        [row("face", onset=1, apex=4, offset=9), row("wall", subject="02", onset=1, apex="/", offset=2)],
    )
    (tmp_path / "c.yaml").write_text(CONTRACT)
    arguments = [str(tmp_path / "data"), "--topology", str(tmp_path / "c.yaml"), "-o", str(tmp_path / "out.csv")]
    first = CliRunner().invoke(prepare, arguments, catch_exceptions=False)
    second = CliRunner().invoke(prepare, arguments, catch_exceptions=False)
    assert "images of clips: 2/2" in first.output and "images of clips" not in second.output
    assert second.output == first.output[first.output.index("2 clips give") :]
    return first


def test_what_was_done_is_said(run: Result, tmp_path: Path) -> None:
    assert run.exit_code == 0
    assert "2 clips give 2 samples\napex: given 1, greatest_flow 1\nface: eyes 1, whole 1\n" in run.output
    assert f"no face in the onset of {tmp_path / 'data' / 'wall'}" in run.output


def test_the_manifest_names_the_apexes_taken_and_how_they_are_known(run: Result, tmp_path: Path) -> None:
    face, wall = read_clips(tmp_path / "out.csv", Labels(("negative", "positive"))).clips
    assert (face.apex, face.apex_source) == (4, "given")
    assert wall.apex in {1, 2} and wall.apex_source == "greatest_flow"
