"""The written report, end to end: complete, self-contained, safe, and possible for every kind of run."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest

import p2pfl_me
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.errors import RunError
from p2pfl_me.report import write_report
from p2pfl_me.report.document import Paragraph, Table
from p2pfl_me.report.html import _tied
from p2pfl_me.report.notes import honesty_notes
from p2pfl_me.report.run import read_run
from p2pfl_me.report.sections import run_sections
from tests.report.fixture import Recipe as R
from tests.report.fixture import append, contract_text, unsaved, write_run

SMALL = {"count": 3, "rounds": 3, "classes": ("a", "b", "c"), "support": (5, 4, 3)}
VOID = {"meta", "img", "br", "wbr", "hr", "input", "link"}


class Checker(HTMLParser):
    """Collects tags, links and text, and asserts that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "action", "data"}:
                self.references.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.words.append(data)


def check(page: Path) -> Checker:
    text = page.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.headings[0] == 1 and checker.headings.count(1) == 1
    assert all(next_ <= level + 1 for level, next_ in pairwise(checker.headings)), "no level is left out"
    assert not checker.tags & {"iframe", "link", "object", "embed", "form"}
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{named}'\"" in text, "the page's own script runs, and no other"
    assert len(set(checker.ids)) == len(checker.ids)
    for reference in checker.references:
        if reference.startswith("#"):
            assert reference[1:] in checker.ids
        else:
            assert reference.startswith("data:image/png;base64,") or (page.parent / unquote(reference)).exists()
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", text)
    return checker


SAVED = {
    "test_a_full_report_is_one_page_with_its_figures_and_numbers",
    "test_markdown_says_the_same_and_its_links_exist",
    "test_the_same_run_gives_the_same_bytes",
}


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.name not in SAVED:
        monkeypatch.setattr("p2pfl_me.report.write.files_of", unsaved)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    return write_report([write_run(folder / "run")], folder / "report")


def test_a_full_report_is_one_page_with_its_figures_and_numbers(full: Path) -> None:
    checker = check(full)
    words = " ".join(checker.words)
    for title in ("Result", "How the peers learned", "How they came to agree", "What it cost", "The graph"):
        assert title in words
    assert "10 peers, ring topology, 12 rounds of gossip on drawn faces" in words
    assert "Nothing: every peer reached its end" in words
    names = {"result", "scores", "consensus", "confusion", "graph"}
    assert {path.stem for path in full.parent.glob("*.png")} == names
    assert {path.stem for path in full.parent.glob("*.csv")} == names
    for name in names:
        assert (full.parent / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert b"<svg" in (full.parent / f"{name}.svg").read_bytes()
        assert (full.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        with (full.parent / f"{name}.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) > 1 and len({len(row) for row in rows}) == 1


def test_a_graph_of_very_many_links_is_not_drawn_but_told(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"))
    contract = contract_from_yaml(contract_text(R(kind="epidemic", count=400)))
    section = next(
        each for each in run_sections(replace(run, contract=contract), "", "", 2) if each.title == "The graph"
    )
    assert section.blocks == (
        Paragraph("The graph is not drawn: it has 79800 links, and more than 50000 tell nothing."),
    )


def test_markdown_says_the_same_and_its_links_exist(full: Path) -> None:
    text = (full.parent / "report.md").read_text()
    assert text.startswith("# DRAWN FACES: ring\n") and "## How they came to agree" in text and "```yaml" in text
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (full.parent / target).is_file()


@pytest.mark.thorough
def test_the_same_run_gives_the_same_bytes(full: Path, tmp_path: Path) -> None:
    first = full.parent
    second = write_report([first.parent / "run"], tmp_path / "two").parent
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_a_run_with_killed_peers_and_no_baselines(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **SMALL, killed={0: 1, 2: 2}, baselines=False, average=False, finished=False)
    (run / "manifest.json").unlink()
    append(run / "peer-1.jsonl", {"event": "refused", "neighbour": None, "reason": "<b>unknown</b> key"})
    words = " ".join(check(write_report([run], run / "report")).words)
    assert "Peer 0 stopped without a word after round 1" in words
    assert "ended at different rounds, from 1 to 3" in words
    assert "<b>unknown</b> key" in words


def test_a_run_without_scores(tmp_path: Path) -> None:
    words = " ".join(check(write_report([write_run(tmp_path / "run", **SMALL, part=None)], tmp_path / "out")).words)
    assert "No scores" in words and "Training loss by round" in words
    assert "loss is of its own clips" in words and "like scores" not in words


def test_a_run_that_had_no_time_to_learn(tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text(contract_text(R(count=3)))
    (tmp_path / "peer-0.jsonl").write_text('{"event": "sta')
    words = " ".join(check(write_report([tmp_path], tmp_path / "report")).words)
    assert "No peer completed a round." in words and "Peers 1, 2 left no log" in words


def test_names_from_a_contract_cannot_become_markup(tmp_path: Path) -> None:
    classes = ("<script>alert(1)</script>", "$\\frac{", "=HYPERLINK(1)", "日本 | `x`")
    run = write_run(tmp_path / "run", **{**SMALL, "classes": classes, "support": (4, 3, 3, 2)}, source='"><img src=x>')
    page = write_report([run], tmp_path / "out")
    words = " ".join(check(page).words)
    assert all(name in words for name in classes)
    with (page.parent / "confusion.csv").open(newline="") as file:
        cells = {cell for row in csv.reader(file) for cell in row}
    assert "'=HYPERLINK(1)" in cells and not any(cell.startswith("=") for cell in cells)
    prose = re.sub(r"```yaml\n.*?```", "", (page.parent / "report.md").read_text(), flags=re.DOTALL)
    assert "&lt;script&gt;" in prose and "<script>" not in prose


@pytest.mark.thorough
def test_several_runs_are_compared_and_each_is_shown(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / "seeds" / f"seed-{seed}", **SMALL, seed=seed)
    mesh = write_run(tmp_path / "mesh", **SMALL, name="mesh", kind="mesh", offset=0.2)
    page = write_report([tmp_path / "seeds", mesh], tmp_path / "out")
    words = " ".join(check(page).words)
    assert "2 set-ups compared over 3 runs and 2 seeds" in words and "ring, seed 2" in words
    assert "cannot tell the set-ups apart" in words and "1 seed the smallest p there can be is 1" in words
    folders = {path.name for path in page.parent.iterdir() if path.is_dir()}
    assert folders == {"ring-seed-1", "ring-seed-2", "mesh-seed-1"}
    assert {path.stem for path in page.parent.glob("*.csv")} >= {"score-rounds", "score-mb", "score-per-mb"}
    assert (page.parent / "ring-seed-2" / "consensus.png").is_file()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **SMALL)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write the report"):
        write_report([run], tmp_path / "file")
    with pytest.raises(RunError, match="no run"):
        write_report([], tmp_path / "out")


def test_reporting_needs_no_torch() -> None:
    code = "import sys, p2pfl_me.report.write; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("model", "said", "words"),
    [
        ("{}", "", "vgg16, frozen layers: random, drawn from seed 1, never trained."),
        ("{weights: {source: imagenet}}", "", "trained on ImageNet-1k"),
        ("{backbone: mlp}", "", "mlp, trained whole from a model drawn from seed 1"),
        (f"{{weights: {{source: file, sha256: {'ab' * 32}}}}}", "", "what it was trained on was not recorded"),
        (
            f"{{weights: {{source: file, sha256: {'ab' * 32}}}}}",
            "vgg16, file, trained on x.",
            "vgg16, file, trained on x.",
        ),
    ],
)
def test_the_page_on_a_run_says_what_its_network_is(tmp_path: Path, model: str, said: str, words: str) -> None:
    folder = write_run(tmp_path / "run", **SMALL, baselines=False)
    text = (folder / "contract.yaml").read_text()
    (folder / "contract.yaml").write_text(re.sub(r"^model: .*$", f"model: {model}", text, flags=re.MULTILINE))
    run = read_run(folder)
    clips = replace(run.manifest.clips, images="504 ready pictures as given")
    run = replace(run, manifest=replace(run.manifest, network=said, data=clips))
    table = next(block for block in run_sections(run, "", "", 2)[-1].blocks if isinstance(block, Table))
    rows = {name: value for name, value, *_ in table.rows}
    assert words in rows["network"] and rows["images"] == "504 ready pictures as given"
    claimed = any("frozen backbone is random" in note for note in honesty_notes([run]))
    assert claimed == ("random" in words), "nothing is said of a backbone that there is not"
    vectors = replace(clips, images="504 clips as feature vectors as given: no image and no frozen layer was used")
    run = replace(run, manifest=replace(run.manifest, data=vectors))
    assert not any("frozen backbone is random" in note for note in honesty_notes([run]))


def test_a_class_that_no_clip_shows_has_dashes_and_every_table_is_whole(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **{**SMALL, "support": (5, 4, 0)}))
    tables = [block for each in run_sections(run, "", "", 2) for block in each.blocks if isinstance(block, Table)]
    assert len(tables) >= 3
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
    classes = next(table for table in tables if table.header[0] == "class")
    assert classes.rows[2][0] == "c" and classes.rows[2][-3:] == ("–", "–", "–"), "nobody was asked about it"
    assert all("." in cell for cell in classes.rows[0][-3:])


def test_an_option_keeps_its_hyphens_and_its_number_on_one_line() -> None:
    assert _tied("more (--seeds 11) <b>") == 'more <span class="tied">(--seeds 11)</span> &lt;b&gt;'


@pytest.mark.parametrize("page", ["report/templates/report.html.j2", "watch/page/page.css", "live/page/page.css"])
def test_a_table_that_goes_on_beyond_the_screen_shows_it(page: str) -> None:
    """By a shade at its side: a column that ends at the border looks like the last one."""
    style = (Path(p2pfl_me.__file__).parent / page).read_text(encoding="utf-8")
    rules = re.findall(r"\n\.(?:wide|scroll) \{(.*?)\n\}", style, re.DOTALL)
    assert rules and all("overflow-x: auto" in rule and rule.count("scroll no-repeat") == 2 for rule in rules)
