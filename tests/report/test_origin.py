"""Every page says what its network is: drawn from a seed, a file that says what it was trained on, or does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.contract.network import Model
from p2pfl_me.report.compose import compose
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.model_card import model_card
from p2pfl_me.report.origin import network_of, networks_of
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.style import house_style
from tests.report.fixture import write_run
from tests.report.test_page import SMALL

SHA = "ab" * 32
FILE = {"weights": {"source": "file", "sha256": SHA}}
KNOWN = f"vgg16, frozen layers: file, sha256 {SHA}, trained on 4,000 pictures of casme."
UNKNOWN = f"vgg16, frozen layers: file, sha256 {SHA}, of unknown origin: the file does not say what it was trained on."
SEED = "vgg16, frozen layers: random, drawn from seed 1, never trained."
KINDS = {"seed": ({}, SEED), "file": (FILE, KNOWN), "unknown": (FILE, UNKNOWN)}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("origin") / "run", **SMALL, baselines=False))


def told(run: Run, kind: str, *, own_peer: bool) -> Run:
    """The run of such a backbone, as `swarm` tells it in its manifest or a lab's own peer in its log."""
    model, words = KINDS[kind]
    section = run.contract.model.model_copy(update=dict(Model.model_validate(model)) if model else {})
    section = section.model_copy(update={"classes": run.contract.model.classes})
    contract: Contract = run.contract.model_copy(update={"model": section})
    if not own_peer:
        return replace(run, contract=contract, manifest=replace(run.manifest, network=words))
    logs = tuple(
        replace(log, starts=[replace(each, data=replace(each.data, network=words)) for each in log.starts])
        for log in run.peers
    )
    return replace(run, contract=contract, manifest=replace(run.manifest, network=""), peers=logs)


@pytest.mark.few(2)
@pytest.mark.parametrize("own_peer", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_run_of_a_comparison_and_the_card_of_a_model_say_it(bare: Run, kind: str, own_peer: bool) -> None:
    run, words = told(bare, kind, own_peer=own_peer), KINDS[kind][1]
    beside = replace(run, contract=run.contract.model_copy(update={"seed": 7}))
    both = words.replace("seed 1", "seeds 1, 7")
    two = Comparison((Setting("", (Method("ring", (run, beside)),)),))
    assert network_of(run) == words
    assert words in model_card(run, "model.onnx", ())
    with house_style():
        one = compose(Comparison((Setting("", (Method("ring", (run,)),)),)), in_full=True)
        assert words in render_markdown(one).replace("\\", "")
        assert f"Network: {both}" in render_markdown(compose(two, in_full=False)).replace("\\", "")


def test_each_network_of_a_comparison_stands_there_once(bare: Run) -> None:
    known, unknown, drawn = (told(bare, kind, own_peer=False) for kind in ("file", "unknown", "seed"))
    assert networks_of((known, drawn, known, unknown, drawn)) == (KNOWN, SEED, UNKNOWN)


def test_a_folder_from_before_it_was_told_claims_nothing(bare: Run) -> None:
    older = told(bare, "unknown", own_peer=False)
    older = replace(older, manifest=replace(older.manifest, network=""))
    claimed = f"vgg16, frozen layers: file, sha256 {SHA}; what it was trained on was not recorded in this folder."
    assert network_of(older) == claimed
    assert network_of(older) in model_card(older, "model.onnx", ())
