"""The documentation: its commands are commands, its links lead somewhere, its site builds, its example is a graph."""

from __future__ import annotations

import importlib
import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from p2pfl_me.aggregation import AGGREGATIONS
from p2pfl_me.compression import COMPRESSIONS
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.networks import NETWORKS
from p2pfl_me.privacy.exchanging import EXCHANGES
from p2pfl_me.privacy.noising import NOISES
from p2pfl_me.topology.kind import TOPOLOGIES, Topology
from p2pfl_me.topology.weighing import WEIGHTS
from tests.cli.test_grammar import parsed

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FRONT = sorted(ROOT.glob("*.md"))
"""Pages that stand outside of the site."""


def commands(page: Path) -> Iterator[str]:
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("    p2pme ") and not line.endswith("\\") and "..." not in line:
            yield line.strip()


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_it_says_to_type_can_be_typed(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command, comments=True)
        for sign in ("|", ">", "&&", "&"):
            words = words[: words.index(sign)] if sign in words else words
        parsed(words[1:])


def test_the_site_builds_and_every_link_leads_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdocs = pytest.importorskip("mkdocs.commands.build", reason="pip install 'p2pfl_me[docs]'")
    from mkdocs.config import load_config

    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    # In the site's own strictness a link that leads nowhere is an error.
    mkdocs.build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    logging.getLogger("mkdocs").handlers.clear()
    made = {path.relative_to(tmp_path / "site").with_suffix("").as_posix() for path in tmp_path.rglob("*.html")}
    assert {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES} <= made


@pytest.mark.parametrize("page", FRONT, ids=lambda page: page.name)
def test_every_link_outside_of_the_site_leads_somewhere_too(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        headings = re.findall(r"(?m)^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8")) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, (
            target
        )


def test_every_page_stands_in_the_sites_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"- {page.relative_to(ROOT / 'docs').as_posix()}" in menu, page


def test_the_contracts_page_names_every_kind_of_every_choice() -> None:
    """Its lists are read by people; a kind that was added since stands in none of them by itself."""
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    for choices in (TOPOLOGIES, WEIGHTS, PROTOCOLS, COMPRESSIONS, AGGREGATIONS, NETWORKS, EXCHANGES, NOISES):
        named = [name for name in choices if not re.search(rf"\b{name}\b", text)]
        assert not named, f"docs/contract.md leaves out {choices.base.what} {', '.join(named)}"


def test_the_developers_example_is_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "tutorials" / "developer.md").read_text(encoding="utf-8")
    (tmp_path / "two_rings.py").write_text(text.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kind: Topology = importlib.import_module("two_rings").TwoRings(kind="two_rings")
    graph = nx.Graph(kind.pairs(10))
    assert nx.is_connected(graph) and sorted(degree for _, degree in graph.degree) == [2] * 8 + [3] * 2
    assert nx.edge_connectivity(graph) == 1
    with pytest.raises(ContractError, match="two equal rings"):
        kind.pairs(7)
    assert "two_rings" not in TOPOLOGIES  # nothing was registered by reading it
