"""Labs that never saw each other's files come to one contract by cards alone, or learn why not before they connect."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.init import init
from p2pfl_me.cli.members import members
from p2pfl_me.contract import digest, load_contract
from p2pfl_me.errors import ContractError, P2pmeError, RunError
from p2pfl_me.federation.card import read_card
from p2pfl_me.federation.folder import Draft, LabFolder, add_card, found, open_folder
from p2pfl_me.federation.words import as_words, proquint
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.kind import TOPOLOGIES
from tests.small import Command, events
from tests.wire.peers import free_base

DRAFT = Draft("ring", 3, "trial")
CHANGES = Draft("ring", 3, "changes", ("peers.approve=0.6",))


def labs(tmp_path: Path, draft: Draft = DRAFT) -> list[LabFolder]:
    return [found(tmp_path / f"lab-{lab}", draft, lab) for lab in range(draft.labs)]


def exchange(folders: list[LabFolder]) -> None:
    for folder in folders:
        for other in folders:
            if other.lab != folder.lab:
                path = other.card_path(other.lab)
                add_card(folder, read_card(path.read_text(), str(path)), str(path))


@pytest.mark.parametrize(
    "draft", [DRAFT, Draft("mesh", 2, "two", ("training.rounds=3", "gossip.weights=constant")), CHANGES]
)
def test_cards_alone_make_the_same_contract_everywhere(tmp_path: Path, draft: Draft) -> None:
    folders = labs(tmp_path, draft)
    assert not any(folder.contract.exists() for folder in folders)
    exchange(folders)
    texts = {folder.contract.read_text() for folder in folders}
    contracts = [load_contract(folder.contract) for folder in folders]
    assert len(texts) == 1 and len({digest(contract) for contract in contracts}) == 1
    keys = [member.public_key for member in contracts[0].peers.members or ()]
    assert len(set(keys)) == draft.labs and all(keys)
    assert all(stat.S_IMODE(folder.key.stat().st_mode) == 0o600 for folder in folders)
    assert open_folder(folders[1].path) == folders[1]


def test_a_laboratory_is_its_users_own_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(0o755)
    before = os.umask(0)
    try:
        for path in (tmp_path / "one" / "two" / "lab", tmp_path / "there"):
            found(path, DRAFT, 0)
    finally:
        os.umask(before)
    made = [tmp_path / "one", *(tmp_path / "one").rglob("*"), *(tmp_path / "there").rglob("*")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in made if each.is_dir()} == {0o700}
    assert {stat.S_IMODE(each.stat().st_mode) for each in made if each.is_file()} == {0o600}


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("settings", "hand_out"),
    [
        ((), 600),
        (("gossip={protocol: push}",), 600),
        (("model={backbone: mlp}", "training={rounds: 3}"), 600),
        (("gossip.hand_out=0",), 0),
        (("gossip.hand_out=60",), 60),
        (("gossip.compression=int8",), 0),
        (("privacy.exchange=masks",), 0),
        (("peers.widths={1: 0.5}",), 0),
    ],
    ids=lambda each: ",".join(each) or "plain" if isinstance(each, tuple) else None,
)
def test_labs_hand_out_their_final_model_unless_the_contract_leaves_no_room(
    tmp_path: Path, settings: tuple[str, ...], hand_out: int
) -> None:
    exchange(folders := labs(tmp_path, Draft("mesh", 4, "stays", settings)))
    assert load_contract(folders[0].contract).stays_s == hand_out
    assert ("  hand_out: 600.0  # seconds that a lab stays" in folders[0].contract.read_text()) == (hand_out == 600)


@pytest.mark.few(5)
@pytest.mark.parametrize("kind", sorted({*TOPOLOGIES} - {"hypercube", "torus", "regular", "edges"}))
def test_every_kind_can_be_founded(tmp_path: Path, kind: str) -> None:
    exchange(folders := labs(tmp_path, Draft(kind, 4, "any")))
    assert load_contract(folders[0].contract).peers.count == 4


def test_what_cannot_work_is_refused_before_anybody_connects(tmp_path: Path) -> None:
    one, two, _ = labs(tmp_path)
    stranger = found(tmp_path / "stranger", Draft("mesh", 3, "trial"), 1)
    card = lambda folder: read_card(folder.card_path(folder.lab).read_text(), "card")  # noqa: E731
    with pytest.raises(ContractError, match="for another draft"):
        add_card(one, card(stranger), "card")
    with pytest.raises(ContractError, match="the card of this lab itself"):
        add_card(one, card(found(tmp_path / "again", DRAFT, 0)), "card")
    add_card(one, card(two), "card")
    assert not add_card(one, card(two), "card")  # twice is once
    with pytest.raises(ContractError, match="whose card is here already and says otherwise"):
        add_card(one, card(found(tmp_path / "impostor", DRAFT, 1)), "card")
    with pytest.raises(ContractError, match=r"the address of lab 1, tcp://127\.0\.0\.1:27101"):
        add_card(one, card(found(tmp_path / "same", DRAFT, 2, "tcp://127.0.0.1:27101")), "card")
    with pytest.raises(RunError, match="holds a laboratory already"):
        found(one.path, DRAFT, 0)
    with pytest.raises(ContractError, match="no lab 3 among 3"):
        found(tmp_path / "fourth", DRAFT, 3)
    assert one.missing() == (2,) and not one.contract.exists()


@pytest.mark.parametrize(
    ("draft", "address"),
    [
        (Draft("rnig", 3, "t"), ""),
        (Draft("hypercube", 3, "t"), ""),
        (Draft("ring", 3, "t", ("training.rounds=none",)), ""),
        (Draft("ring", 3, "t", ("peers.approve=6",)), ""),
        (Draft("ring", 3, "no name"), ""),
        (DRAFT, "lab.example:27100"),
        (DRAFT, "tcp://lab.example:99999"),
        (DRAFT, "tcp://a b:1"),
    ],
)
def test_a_wrong_draft_leaves_no_folder(tmp_path: Path, draft: Draft, address: str) -> None:
    with pytest.raises(P2pmeError):
        found(tmp_path / "lab", draft, 0, address)
    assert not (tmp_path / "lab" / "lab.key").exists() and not (tmp_path / "lab" / "draft.json").exists()


@pytest.mark.parametrize(
    "text", ["", "# p2pme\n", "p2pme-lab-1 0 tcp://h:1 key draft", "p2pme-lab-1 " + "9" * 9999, "\0"]
)
def test_what_is_no_card_is_said(text: str) -> None:
    with pytest.raises(ContractError, match="not the card of a laboratory"):
        read_card(text, "file")


def test_words_are_those_of_the_proposal() -> None:
    """The examples of arXiv 0901.4016: addresses as two proquints each."""
    for address, words in {
        "127.0.0.1": "lusab babad",
        "63.84.220.193": "gutih tugad",
        "140.98.193.141": "mudof sakat",
    }.items():
        a, b, c, d = map(int, address.split("."))
        assert f"{proquint(a << 8 | b)} {proquint(c << 8 | d)}" == words
    assert as_words("7f00 0001") == "lusab babad"


@pytest.mark.thorough
@pytest.mark.processes
def test_two_labs_on_one_machine_by_the_commands_that_help_prints(tmp_path: Path) -> None:
    base, runner = free_base(2), CliRunner()
    for lab, name in enumerate("ab"):
        address = f"tcp://127.0.0.1:{base + lab}"
        arguments = [str(tmp_path / name), "--labs", "2", "--id", str(lab), "--address", address]
        short = ["--set", "training.rounds=2", "--set", "data.synthetic={subjects: 8, clips_per_subject: 7}"]
        result = runner.invoke(init, [*arguments, *short], catch_exceptions=False)
        assert "no card yet of lab" in result.output
    for name, other, lab in (("a", "b", 1), ("b", "a", 0)):
        card = tmp_path / other / "cards" / f"lab-{lab}.card"
        result = runner.invoke(members, ["add", str(tmp_path / name), str(card)], catch_exceptions=False)
        assert "both labs are in" in result.output
    said = next(line.split(" --data ")[0].split()[1:] for line in result.output.splitlines() if "p2pme peer" in line)
    first = [word.replace(str(tmp_path / "b"), str(tmp_path / "a")) for word in said]
    first[first.index("--id") + 1] = "0"
    peers = [Command([str(word) for word in words], tmp_path / "home") for words in (first, said)]
    assert [peer.finish()[0] for peer in peers] == [0, 0]
    assert [each["rounds"] for each in events(tmp_path / "a" / "run", 0, "finish")] == [2]


def test_labs_that_nobody_can_call_say_so_on_their_cards_and_are_seated_apart(tmp_path: Path) -> None:
    draft = Draft("ring", 4, "behind")
    labs = [
        found(tmp_path / str(k), draft, k, "" if k < 2 else f"tcp://lab-{k}.example:4000", dial_only=k < 2)
        for k in range(4)
    ]
    for one in labs:
        for other in labs:
            if one is not other:
                add_card(one, read_card(other.card_path(other.lab).read_text(), "a card"), "a card")
    contracts = [load_contract(each.contract) for each in labs]
    assert len({digest(each) for each in contracts}) == 1
    assert [member.dial_only for member in contracts[0].peers.members or ()] == [True, True, False, False]
    assert 1 not in plan_of(contracts[0]).neighbours(0)
