"""The words of `--protect`: what they set, and what is no protection."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.main import cli
from p2pfl_me.compare.protections import parse_protections
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import Compared, compare
from p2pfl_me.console.lines import Console
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.report.comparison_protection import as_objects
from tests.report.fixture import unsaved
from tests.small import write_contract, write_vectors

TEXT = (
    "version: 1\nname: words\ntopology: {kind: mesh}\npeers: {loopback: {count: 5}}\nprivacy: {exchange: masks}\n"
    "training: {class_weights: none}\n"
)


def test_each_word_is_the_whole_section_of_a_contract() -> None:
    words = "plain,masks,ckks,submodels,submodels:4,dp:8,dp-subject:3,noise:8,decor:1.5,zip,zip:0.2"
    found = {each.name: contract_from_yaml(TEXT, "words", each.overrides).privacy for each in parse_protections(words)}
    assert [*found] == words.split(",")
    assert not found["plain"].exchange.needs_keys and not found["plain"].protects
    assert not found["dp:8"].exchange.needs_keys, "of what the contract said, nothing is left"
    assert found["masks"].exchange.sums_only and found["ckks"].exchange.sums_only and found["zip"].exchange.own_noise
    assert [found[name].exchange.part_count for name in ("submodels", "submodels:4", "plain")] == [2, 4, 1]
    assert found["zip:0.2"].exchange != found["zip"].exchange
    spending = {name: each.budget.epsilon for name, each in found.items() if each.budget}
    assert spending == {"dp:8": 8, "dp-subject:3": 3, "noise:8": 8, "decor:1.5": 1.5}
    assert [found[name].unit for name in spending] == ["clip", "subject", "lab", "lab"]


@pytest.mark.parametrize(
    "words", ["", "dp", "decor", "dp:0", "dp:x", "dp:inf", "masks:3", "ckks:3", "submodels:2.5", "plain,plain", "a,b"]
)
def test_what_is_no_protection_is_refused_with_those_that_are(words: str) -> None:
    with pytest.raises(ContractError, match="--protect"):
        parse_protections(words)


def run(request: Request) -> tuple[Compared, int]:
    """And how many cells were played."""
    stream = io.StringIO()
    return compare(request, Console(stream)), stream.getvalue().count("  played")


@pytest.mark.thorough
def test_a_comparison_of_protections_ends_with_what_each_costs_and_gives_and_plays_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("p2pfl_me.report.write.files_of", unsaved)
    path = write_contract(tmp_path / "mesh.yaml", 4, topology="{kind: mesh}", training="{rounds: 2, local_epochs: 1}")
    data = write_vectors(tmp_path / "vectors.safetensors", range(12))
    request = Request(
        (path,), tmp_path / "out", seeds=1, protections=parse_protections("plain,zip:5"), games=4,
        baselines=False, engine="simulate", data=data,
    )  # fmt: skip
    found, played = run(request)
    assert found.code == 0 and found.page is not None and played == 2
    plain, noised = found.protections
    assert noised.told[1].auc < plain.told[1].auc
    objects = as_objects(found.protections)
    assert [(each["protection"], each["seed"]) for each in objects][:2] == [("plain", 1), ("zip:5", 1)]
    assert all(each["bytes_a_peer"] > 0 and each["epsilon"] is None and 0 <= each["uf1"] <= 1 for each in objects)
    assert all(each["seconds"] > 0 for each in objects)
    assert (tmp_path / "out" / "protections.csv").read_text().count("\n") == 3
    page = found.page.read_text()
    assert "Protections" in page and "Not measured here" in page
    (cell,) = tmp_path.glob("out/cells/*plain*/seed-1/membership.json")
    cell.write_text(cell.read_text().replace('"games": 4', '"games": 5'))
    assert run(request)[1] == 1, "what was played is found again, and other games are other figures"


def test_what_a_protection_cannot_be_laid_over_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = write_contract(tmp_path / "ring.yaml", 4, topology="{kind: ring}")
    request = Request((path,), tmp_path / "out", protections=parse_protections("plain,masks"), engine="simulate")
    with pytest.raises(ContractError, match="masks"):
        compare(request, Console(quiet=True))
    with pytest.raises(ContractError, match="--protect"):
        compare(replace(request, overrides=("privacy.exchange=plain",)), Console(quiet=True))
    assert not (tmp_path / "out").exists()
    used = CliRunner().invoke(cli, ["compare", str(path), "--games", "8"])
    assert used.exit_code == 2 and "--protect" in used.output
