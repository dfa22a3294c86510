"""What an audit's page claims, in its first sentence, its table and its figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.contract import load_contract
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy.membership import Attack
from p2pfl_me.privacy_audit.audit import OWN, Audit, Finding
from p2pfl_me.privacy_audit.page import as_lines, as_object, document_of, membership_figure
from p2pfl_me.report.document import Document, Paragraph, Picture, Table
from p2pfl_me.report.numbers import csv_rows
from p2pfl_me.report.style import NARROW, WIDTH, house_style


def found(name: str, auc: float, half: float, promised: float | None = None, unit: Unit = Unit.CLIP) -> Finding:
    attack = Attack(auc, auc - 0.5, auc - 0.4)
    return Finding(name, unit, 40, attack, attack, 0.1, promised, (1, auc), (auc - half, auc + half))


def page(*findings: Finding, warnings: tuple[str, ...] = ()) -> Document:
    ring = load_contract(Path("topologies/ring.yaml"))
    return document_of(Audit(ring, 8, 400, findings, (), warnings))


def blocks(document: Document, kind: type) -> list[object]:
    return [block for section in document.sections for block in section.blocks if isinstance(block, kind)]


def test_two_contracts_are_told_apart_by_their_intervals_alone() -> None:
    own, near, far = found(OWN, 0.8, 0.05), found("masks", 0.72, 0.05), found("noise", 0.6, 0.05)
    assert "cannot be told apart" in page(own, near).verdict
    apart = page(own, near, far).verdict
    assert "noise tells least (0.60, 0.55 to 0.65" in apart and "cannot" not in apart
    assert "set beside" not in page(own, replace(own, unit=Unit.SUBJECT)).verdict, "another unit is no other contract"
    close = page(own, far, found("sums", 0.62, 0.05), near).verdict
    assert "noise tells least" in close and "overlaps with that of sums." in close, "none is best by luck"
    assert "overlaps" not in apart
    assert "proves nothing" in page(found(OWN, 0.52, 0.05)).verdict and "proves" not in apart, "it is no protection"


def test_what_all_rows_share_is_no_column() -> None:
    (table,) = blocks(page(found(OWN, 0.8, 0.05)), Table)
    assert isinstance(table, Table) and table.header[:2] == ("unit", "units") and "epsilon promised" not in table.header
    (table,) = blocks(page(found(OWN, 0.8, 0.05), found("noise", 0.6, 0.05, promised=2)), Table)
    assert isinstance(table, Table) and table.header[0] == "under"
    place = table.header.index("epsilon promised")
    assert [row[place] for row in table.rows] == ["none", "2"]


def test_drawn_faces_are_said_to_be_drawn() -> None:
    drawn = page(found(OWN, 0.8, 0.05), warnings=("drawn faces",))
    assert drawn.verdict.startswith("DRAWN FACES") and "DRAWN FACES" in drawn.title


@pytest.mark.parametrize("network", ["random, drawn from seed 1", "file, trained on x", "file, of unknown origin"])
def test_the_page_and_the_object_say_what_the_network_is(network: str) -> None:
    ring = load_contract(Path("topologies/ring.yaml"))
    audit = Audit(ring, 8, 400, (found(OWN, 0.8, 0.05),), (), (), network)
    said = [block for block in blocks(document_of(audit), Paragraph) if network in str(block)]
    assert len(said) == 1 and as_object(audit, Path("page.html"))["network"] == network


def test_a_terminal_is_told_the_interval() -> None:
    audit = Audit(load_contract(Path("topologies/ring.yaml")), 8, 400, (found(OWN, 0.8, 0.05),))
    assert any("LiRA AUC 0.800 (0.75 to 0.85)" in line for line in as_lines(audit))


@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_the_figure_names_each_contract_whole_and_shows_what_is_below_chance(width: float) -> None:
    long = "privacy={training: {kind: dp_sgd, noise: 6}, budget: {epsilon: 2}}; topology={kind: mesh}"
    (picture,) = blocks(page(found(long, 0.45, 0.03), found(OWN, 0.9, 0.02, unit=Unit.SUBJECT)), Picture)
    assert isinstance(picture, Picture)
    with house_style():
        figure = membership_figure(csv_rows(picture.numbers()), width)
    (axes,) = figure.axes
    said = " ".join(text.get_text() for text in axes.texts).replace("\n", " ")
    assert long in said and "0.450" in said and axes.get_xlim()[0] < 0.42
    assert "chance" in axes.get_xticklabels()[0].get_text(), "the dotted line is named at its foot, beside no contract"
