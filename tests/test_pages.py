"""Every page says what its network is: drawn from a seed, a file that says what it was trained on, or a silent one.

Pages are found, not listed: whatever makes a document, serves a folder with an index.html or writes a card. One that
is added without a way to be read here fails, and so does one that does not say it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

import p2pfl_me
from p2pfl_me.contract import load_contract
from p2pfl_me.evaluate.beside import write_beside
from p2pfl_me.evaluate.card import card_markdown, run_card
from p2pfl_me.evaluate.document import compose as compose_evaluation
from p2pfl_me.evaluate.results import Results
from p2pfl_me.evaluate.write import texts
from p2pfl_me.live.naming import Namer
from p2pfl_me.live.server import Show
from p2pfl_me.report.compose import compose
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.model_card import model_card
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.style import house_style
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.watch.view import RunView
from tests.evaluate.test_absent import three_labs
from tests.evaluate.test_origin import networks
from tests.report.fixture import write_run
from tests.report.test_origin import KINDS, told
from tests.report.test_page import SMALL

PACKAGE = Path(p2pfl_me.__file__).parent
NAMES = {"seed": "seed", "file": "file", "unknown": "unknown file"}
"""The kinds of backbones, as the tests of evaluations call them."""


@dataclass(frozen=True)
class Given:
    """What a page is made of: a folder to write in, and the kind of the backbone."""

    folder: Path
    kind: str

    @property
    def words(self) -> str:
        return KINDS[self.kind][1]

    def run(self) -> Run:
        written = write_run(self.folder / "run", **SMALL, baselines=False)
        return told(read_run(written), self.kind, own_peer=False)

    def results(self) -> Results:
        model, weights, _ = networks(self.folder)[NAMES[self.kind]]
        results = three_labs(self.folder)
        text = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"
        (self.folder / "c.yaml").write_text(f"{text}model: {model}\n")
        loaded = load_contract(self.folder / "c.yaml")
        section = loaded.model.model_copy(update={"classes": results.classes})
        asked, agreed = results.design.request, results.design.contract
        design = replace(
            results.design,
            request=replace(asked, weights=weights),
            contract=agreed.model_copy(update={"model": section, "peers": loaded.peers}),
        )
        return replace(results, design=design)


def of_evaluation(given: Given) -> str:
    return networks(given.folder)[NAMES[given.kind]][2]


def beside(given: Given) -> str:
    folder = given.folder / "evaluation"
    folder.mkdir()
    (folder / "evaluation.json").write_text("{}")
    for name, text in texts(given.results()).items():
        (folder / name).write_text(text)
    write_beside([folder], given.folder / "out")
    return (given.folder / "out" / "report.md").read_text()


def audited(given: Given) -> str:
    pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")
    from p2pfl_me.privacy_audit.audit import Audit
    from p2pfl_me.privacy_audit.page import document_of
    from tests.privacy_audit.test_page import OWN, found

    ring = load_contract(Path("topologies/ring.yaml"))
    return render_markdown(document_of(Audit(ring, 8, 400, (found(OWN, 0.8, 0.05),), (), (), given.words)))


def watched(given: Given) -> str:
    folder = RunFolder(write_run(given.folder / "run", **SMALL, baselines=False))
    folder.manifest.write_text(json.dumps(json.loads(folder.manifest.read_text()) | {"network": given.words}))
    view = RunView(folder.path)
    view.update()
    return str(view.state()["network"]) if "state.network" in scripts("watch") else ""


class Model:
    """As much of a recogniser as the page speaks of."""

    classes, warnings = ("joy",), ()

    def __init__(self, network: str) -> None:
        self.network = network


def lived(given: Given) -> str:
    model: object = Model(given.words)
    show = Show(None, Namer(model), "model", SpotterSettings())  # type: ignore[arg-type]
    return str(json.loads(show.facts())["network"]) if "facts.network" in scripts("live") else ""


def scripts(room: str) -> str:
    return "".join(path.read_text() for path in (PACKAGE / room / "page").glob("*.js"))


def one_run(given: Given) -> str:
    return render_markdown(compose(Comparison((Setting("", (Method("ring", (given.run(),)),)),)), in_full=True))


PAGES: dict[str, Callable[[Given], str]] = {
    "report/compose.py": one_run,
    "evaluate/document.py": lambda given: render_markdown(compose_evaluation(given.results())),
    "evaluate/beside.py": beside,
    "privacy_audit/page.py": audited,
    "watch/page/index.html": watched,
    "live/page/index.html": lived,
    "cli/export.py card.md": lambda given: model_card(given.run(), "model.onnx", ()),
    "evaluate/write.py card.md": lambda given: card_markdown(run_card(given.results())),
}
WRITERS = {"report/write.py": "writes the documents", "report/compose.py": "links to them"} | {
    f"{room}/server.py": "serves its folder of pages" for room in ("live", "watch")
}
"""Who may speak of files that end in .html, and why that is no page of its own."""


@cache
def trees() -> dict[str, ast.Module]:
    """Of the files in which a word of a page stands, which are few."""
    read = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    return {name: ast.parse(text) for name, text in read.items() if re.search(r"Document\(|card\.md|\.html", text)}


def made() -> Iterator[str]:
    """Whatever makes a page."""
    for name, tree in trees().items():
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            if (isinstance(called, ast.Name) and called.id == "Document") or (
                isinstance(called, ast.Attribute) and called.attr == "Document"
            ):
                yield name
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("card.md"):
                yield f"{name} card.md"
    yield from (path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("index.html"))


def test_no_page_is_made_that_is_not_read_here() -> None:
    assert set(made()) == set(PAGES)
    speak = {
        name
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.endswith(".html")
    }
    read = {"data/datasets/workbook.py", "data/images.py"}  # sheets may end so, and what is no frame among frames
    assert speak - read == set(WRITERS)


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_its_network_is(tmp_path: Path, page: str, kind: str) -> None:
    given = Given(tmp_path, kind)
    words = of_evaluation(given) if page.startswith("evaluate/") else given.words
    with house_style():
        text = PAGES[page](given).replace("\\", "")
    assert words in text
    for other, (_, its) in KINDS.items():
        claimed = {"seed": "never trained", "file": "trained on 4,000", "unknown": "of unknown origin"}[other]
        assert its and (claimed in text) == (other == kind), f"{page} of {kind} claims {other}"
