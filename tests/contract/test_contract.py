"""The contract: what loads, what is refused and in which words, and when two digests are equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import contract_from_yaml, digest, dump_contract, load_contract, section_digests
from p2pfl_me.contract.members import is_loopback
from p2pfl_me.contract.source import MAX_LENGTH
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import TOPOLOGIES

BASE = """\
version: 1
name: ring
topology: {kind: ring}
peers:
  loopback: {count: 10}
"""

KEY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="


def complaint(text: str, *overrides: str) -> str:
    with pytest.raises(ContractError) as caught:
        contract_from_yaml(text, "ring.yaml", overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (BASE + "trainin: {}\n", 6, "did you mean `training`"),
        (BASE + "training: {round: 3}\n", 6, "did you mean `rounds`"),
        (BASE + "gossip:\n  patience:\n    rouns: 3\n", 8, "did you mean `rounds`"),
        (BASE + "gossip: {compression: {kind: topk, fracton: 1}}\n", 6, "did you mean `fraction`"),
        (BASE + "gossip: {compression: {kind: power, zzz: 1}}\n", 6, "known here: kind, rank"),
        (BASE + "training: {loss: {kind: focal, gama: 1}}\n", 6, "did you mean `gamma`"),
        (BASE.replace("kind: ring", "kind: rink"), 3, "did you mean `ring`"),
        (BASE.replace("{kind: ring}", "{kind: torus, rows: 2}"), 3, "`topology.columns` is missing"),
        (BASE.replace("{kind: ring}", "{kind: ring, degree: 2}"), 3, "unknown key `topology.degree`"),
        (BASE.replace("{kind: ring}", "ring"), 3, "topology"),
        (BASE + "name: again\n", 6, "stands twice (first on line 2)"),
        (BASE + "training: {batch_size: 0}\n", 6, "greater than or equal to 1 (found 0)"),
        (BASE + "training: {learning_rate: .nan}\n", 6, "finite number"),
        (BASE + "model: {classes: [a, a]}\n", 6, "stands twice"),
        (BASE + "model:\n  weights: {source: file}\n", 7, "sha256"),
        (BASE.replace("10}", "10, base_port: 65530}"), 5, "pass 65535"),
        (BASE + "  members: []\n", 4, "either `loopback` or `members`"),
        ("a: [", 1, "not valid YAML"),
        (
            BASE.replace(": 1\n", ": 2\n") + "new: {}\n",
            1,
            "of version 2, and this p2pme reads version 1\n  -> read it with",
        ),
        (BASE.replace(": 1\n", ": 0\n"), 1, "`version`: Input should be 1 (found 0)"),
        (BASE + "gossip: {deadline: {min_s: 9, max_s: 3}}\n", 6, "above max_s"),
        (BASE + "data: {test_fraction: 0.6, validation_fraction: 0.4}\n", 6, "nothing to train on"),
    ],
)
def test_a_complaint_names_the_line_and_the_way_out(text: str, line: int, says: str) -> None:
    message = complaint(text)
    assert f"ring.yaml:{line}: " in message
    assert says in message
    assert "->" in message


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_an_unknown_key_of_every_kind_is_named(kind: str) -> None:
    assert "unknown key `topology.zzz`" in complaint(BASE.replace("{kind: ring}", f"{{kind: {kind}, zzz: 1}}"))
    pairs = "edges: [[0, 1]], " if kind == "edges" else ""
    assert "unknown key `topology.zzz`" in complaint(BASE.replace("{kind: ring}", f"{{kind: {kind}, {pairs}zzz: 1}}"))


def test_an_edge_with_a_weight_is_told_that_weights_follow_from_the_graph() -> None:
    message = complaint(BASE.replace("{kind: ring}", "{kind: edges, edges: [[0, 1], [1, 2, 0.5]]}"))
    assert "ring.yaml:3: `topology.edges`: [1, 2, 0.5] is not a pair of peers" in message
    assert "weights follow from the graph" in message


def test_all_complaints_come_at_once() -> None:
    message = complaint(BASE + "training: {batch_size: 0, rounds: 0}\nnonsense: 1\n")
    assert message.count("ring.yaml:") == 3


def test_an_address_beyond_this_machine_needs_a_key() -> None:
    members = "  members:\n  - {id: 0, address: 'tcp://lab:4000'}\n  - {id: 1, address: 'tcp://127.0.0.1:4001'}\n"
    text = BASE.replace("  loopback: {count: 10}\n", members)
    message = complaint(text)
    assert "ring.yaml:6" in message and "peer 0 at tcp://lab:4000 has no public_key" in message
    keyed = contract_from_yaml(text.replace("'tcp://lab:4000'", f"'tcp://lab:4000', public_key: '{KEY}'"))
    assert keyed.peers.member(0).public_key == KEY


@pytest.mark.parametrize(
    ("address", "stays"),
    [
        ("tcp://127.0.0.9:4000", True),
        ("tcp://[::1]:4000", True),
        ("tcp://[0:0:0:0:0:0:0:1]:4000", True),
        ("tcp://LOCALHOST:4000", True),
        ("tcp://127.evil.example:4000", False),
        ("tcp://127.0.0.1.example:4000", False),
        ("tcp://[2001:db8::1]:4000", False),
    ],
)
def test_only_what_cannot_leave_this_machine_is_loopback(address: str, stays: bool) -> None:
    assert is_loopback(address) is stays


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_does_not_exist_is_refused(port: str) -> None:
    members = f"  members:\n  - {{id: 0, address: 'tcp://127.0.0.1:{port}'}}\n"
    assert f"port {port} does not exist" in complaint(BASE.replace("  loopback: {count: 10}\n", members))


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("*", "none that others could call"),
        ("0.0.0.0", "none that others could call"),
        ("[::]", "none that others could call"),
        ("999.1.1.1", "no IPv4 address"),
        ("1.2.3", "no IPv4 address"),
        ("255.255.255.255", "no single machine"),
        ("224.0.0.1", "no single machine"),
        ("lab..example", "no name"),
        ("-lab.example", "no name"),
        ("x" * 64, "no name"),
    ],
)
def test_an_address_that_nobody_can_dial_is_refused(host: str, what: str) -> None:
    members = f"  members:\n  - {{id: 0, address: 'tcp://{host}:4000', public_key: '{KEY}'}}\n"
    assert what in complaint(BASE.replace("  loopback: {count: 10}\n", members))


@pytest.mark.parametrize("host", ["10.0.0.1", "[2001:db8::1]", "[::ffff:10.0.0.1]", "gossip.lab-a.example", "lab_a"])
def test_an_address_that_somebody_might_dial_is_taken(host: str) -> None:
    members = f"  members:\n  - {{id: 0, address: 'tcp://{host}:4000', public_key: '{KEY}'}}\n"
    contract = contract_from_yaml(BASE.replace("  loopback: {count: 10}\n", members))
    assert contract.peers.member(0).address == f"tcp://{host}:4000"


def test_only_who_dials_needs_no_address() -> None:
    members = f"  members:\n  - {{id: 0, public_key: '{KEY}'MORE}}\n"
    text = BASE.replace("  loopback: {count: 10}\n", members)
    assert "dial_only: true" in complaint(text.replace("MORE", ""))
    member = contract_from_yaml(text.replace("MORE", ", dial_only: true")).peers.member(0)
    assert member.dial_only and member.address is None and not member.is_loopback


def test_two_members_cannot_share_a_key() -> None:
    member = "  - {{id: {0}, address: 'tcp://lab{0}:4000', public_key: '{1}'}}\n"
    members = "  members:\n" + member.format(0, KEY) + member.format(1, KEY)
    assert "share one public_key" in complaint(BASE.replace("  loopback: {count: 10}\n", members))


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a [1]\nb: [*a, *a]\n"])
def test_a_contract_has_no_aliases(text: str) -> None:
    assert "an alias (*a)" in complaint(BASE + text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x: " + "[" * 3000 + "]" * 3000, "nested more than"),
        ("x: " + "{a: " * 3000 + "1" + "}" * 3000, "nested more than"),
        ("x:\n" + "- " * 3000, "nested more than"),
        ("x: !!int ''", "a tag"),
        ("x: !!python/object/apply:os.system ['x']", "a tag"),
        ("x: 2001-99-99", "would be taken for a date"),
        ("x: " + "9" * 10_000, "not valid YAML"),
        ("#" + " " * MAX_LENGTH, "at most"),
    ],
)
def test_whatever_yaml_may_hold_is_refused_in_words(text: str, what: str) -> None:
    assert what in complaint(BASE + text)
    with pytest.raises(ContractError):
        contract_from_yaml(BASE, overrides=[f"training.rounds={text.partition(':')[2]}"])


@pytest.mark.parametrize("ids", ["0, 0", "0, 2", "1, 2"])
def test_ids_are_dense(ids: str) -> None:
    first, second = ids.split(", ")
    members = f"""  members:
  - {{id: {first}, address: 'tcp://127.0.0.1:4000'}}
  - {{id: {second}, address: 'tcp://127.0.0.1:4001'}}
"""
    assert "ids must be 0..1" in complaint(BASE.replace("  loopback: {count: 10}\n", members))


def test_overrides_are_checked_like_the_file() -> None:
    assert contract_from_yaml(BASE, overrides=["training.rounds=5"]).training.rounds == 5
    assert "--set training.round: unknown key" in complaint(BASE, "training.round=5")
    assert "section.key=value" in complaint(BASE, "training.rounds")
    assert "no keys of its own" in complaint(BASE, "name.first=x")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("peers=4", "its keys: loopback, members, widths"),
        ("peers.loopback=4", "its keys: count, base_port"),
        ("training=five", "its keys: rounds"),
        ("topology=ring", "give `topology.kind`: base, "),
        ("training.loss=3", "give `training.loss.kind`: "),
        ("peers={members: [3]}", "its keys: id, address"),
    ],
)
def test_one_value_where_a_section_stands_is_told_what_the_section_holds(override: str, says: str) -> None:
    told = complaint(BASE, override)
    assert "is a section, not one value" in told and says in told


@pytest.mark.parametrize(
    "override",
    ["topology.kind=rnig", "trainig.rounds=3", "gossip.compression.kind=topkk", "model.classes=[1, 2]", "topology=5"],
)
def test_what_an_override_brought_in_is_not_blamed_on_the_file(override: str) -> None:
    message = complaint(BASE, override)
    assert f"--set {override.partition('=')[0]}:" in message and "ring.yaml:" not in message


def test_the_digest_is_of_the_meaning_not_of_the_text() -> None:
    one = contract_from_yaml(BASE)
    reordered = contract_from_yaml(
        "peers:\n  loopback:\n    count: 10 # ten\nname: 'ring'\nversion: 1\ntopology: {kind: ring}\n"
        "training: {rounds: 20}\n"
    )
    assert digest(one) == digest(reordered)
    other = contract_from_yaml(BASE, overrides=["training.rounds=21"])
    assert digest(one) != digest(other)
    here, there = section_digests(one), section_digests(other)
    assert [key for key in here if here[key] != there[key]] == ["training"]


@given(st.integers(1, 10_000), st.integers(0, 2**63 - 1), st.floats(1e-9, 10, allow_nan=False))
def test_a_dumped_contract_has_the_same_digest(count: int, seed: int, rate: float) -> None:
    contract = contract_from_yaml(BASE, overrides=[f"seed={seed}", f"training.learning_rate={rate!r}"])
    assert digest(contract_from_yaml(dump_contract(contract))) == digest(contract)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no such contract"):
        load_contract(tmp_path / "none.yaml")


def test_streams_do_not_collide() -> None:
    seeds = {derive_seed(1, *labels) for labels in [("a",), ("b",), ("a", 1), ("a", "1"), ("a1",), (1, "a"), ()]}
    assert len(seeds) == 7
    assert derive_seed(1, "train", 3, 4) == derive_seed(1, "train", 3, 4) != derive_seed(2, "train", 3, 4)


def test_a_contract_is_a_value_that_can_be_a_key() -> None:
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}, widths: {2: 0.5, 1: 0.25}}\n"
    one, other = contract_from_yaml(text), contract_from_yaml(text.replace("2: 0.5, 1: 0.25", "1: 0.25, 2: 0.5"))
    assert one == other and hash(one) == hash(other)


@pytest.mark.parametrize(
    ("gossip", "advice", "taken"),
    [
        ("protocol: swift, patience: {rounds: 3, of: everyone}", "patience.of: neighbours", ["patience.of=neighbours"]),
        ("compression: int8, patience: {rounds: 3, of: everyone}", "leave gossip.compression", ["compression=none"]),
        ("momentum: 0.5", "or take protocol: qg_dsgdm", ["protocol=qg_dsgdm"]),
        ("protocol: swift, push: {merge: age}", "or take protocol: push", ["protocol=push"]),
        ("protocol: swift, personal: true", "leave gossip.personal out", ["personal=false"]),
        ("protocol: swift, compression: int8", "or take protocol: dpsgd", ["protocol=dpsgd"]),
        ("personal: true, compression: power", "take compression: int8", ["compression=int8"]),
    ],
)
def test_options_that_do_not_go_together_come_with_what_does(gossip: str, advice: str, taken: list[str]) -> None:
    text = BASE + f"gossip: {{{gossip}}}\ndata: {{validation_fraction: 0.2}}\n"
    message = complaint(text)
    assert advice in message.partition("->")[2]
    assert "correct the value" not in message
    contract_from_yaml(text, overrides=[f"gossip.{override}" for override in taken])


def test_steps_of_a_round_are_counted_with_the_last_smaller_batch() -> None:
    training = contract_from_yaml(BASE).training.model_copy(update={"local_epochs": 3, "batch_size": 8})
    assert [training.steps(clips) for clips in (0, 1, 8, 9, 17)] == [0, 3, 3, 6, 9]
