"""Label maps: the tables of the protocols, and what a contract that names one agrees on."""

from __future__ import annotations

import pytest

from p2pfl_me.contract import LABEL_MAPS, contract_from_yaml, digest, dump_contract, section_digests
from p2pfl_me.contract.label_maps import label_map_named
from p2pfl_me.errors import ContractError
from p2pfl_me.wire.handshake import Terms, contracts_differ
from p2pfl_me.wire.identity import new_identity

BASE = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("megc3", "negative positive surprise"),
        ("megc2019", "negative positive surprise"),
        ("paper4", "negative others positive surprise"),
        ("paper7", "disgust fear happiness others repression sadness surprise"),
        ("casme2_5", "disgust happiness others repression surprise"),
    ],
)
def test_the_classes_follow_from_the_map_and_map_to_themselves(name: str, classes: str) -> None:
    table = LABEL_MAPS[name]
    assert table.classes == tuple(classes.split())
    assert all(table.of(label) == label for label in table.classes)
    assert contract_from_yaml(BASE + f"model: {{label_map: {name}}}\n").model.classes == table.classes


@pytest.mark.parametrize(
    ("label", "megc3", "paper4"),
    [
        ("happiness", "positive", "positive"),
        ("Happy", "positive", "positive"),
        ("disgust", "negative", "negative"),
        ("Anger", "negative", "negative"),
        ("contempt", "negative", "negative"),
        ("repression", "negative", "others"),
        ("surprise", "surprise", "surprise"),
        ("Other", None, "others"),
        ("Others", None, "others"),
        ("tense", None, "others"),
    ],
)
def test_the_tables_are_those_of_the_protocols(label: str, megc3: str | None, paper4: str | None) -> None:
    assert LABEL_MAPS["megc3"].of(label) == megc3
    assert LABEL_MAPS["paper4"].of(label) == paper4


def test_casme2_in_five_classes_leaves_out_fear_and_sadness() -> None:
    counts = {"disgust": 63, "happiness": 32, "repression": 27, "surprise": 25, "others": 99, "fear": 2, "sadness": 7}
    table = LABEL_MAPS["casme2_5"]
    assert sum(count for label, count in counts.items() if table.of(label)) == 246
    assert sum(counts.values()) == 255


def test_megc_2019_counts_are_those_of_its_list() -> None:
    """Sheets as published, and MEGC 2019's counts of them; CASME II's sheets hold one or two clips of disgust more."""
    casme2 = {"disgust": 61, "happiness": 32, "repression": 27, "surprise": 25, "others": 99, "fear": 2, "sadness": 7}
    samm = {"anger": 57, "contempt": 12, "disgust": 9, "fear": 8, "happiness": 26, "other": 26, "sadness": 6}
    found = {}
    for name, counts in (("casme2", casme2), ("samm", samm | {"surprise": 15})):
        mapped = [(LABEL_MAPS["megc2019"].of(label, name), count) for label, count in counts.items()]
        classes = LABEL_MAPS["megc2019"].classes
        found[name] = [sum(count for label, count in mapped if label == each) for each in classes]
    assert found == {"casme2": [88, 32, 25], "samm": [92, 26, 15]}
    assert LABEL_MAPS["megc3"].of("fear", "casme2") == "negative"
    assert LABEL_MAPS["megc3"].sha256 != LABEL_MAPS["megc2019"].sha256
    assert LABEL_MAPS["megc3"].sha256 == "725ad46dadb0d9cd55ab04f31cd8485e24a1aedb8b28cd46171fc7efd7376db2"


def test_what_a_map_cannot_place_it_does_not_know() -> None:
    assert not LABEL_MAPS["paper7"].knows("negative")
    assert not LABEL_MAPS["megc3"].knows("joy")
    with pytest.raises(ContractError, match="known: megc3, megc2019, paper4"):
        label_map_named("megc5")


def test_the_name_is_short_for_name_and_digest() -> None:
    short = contract_from_yaml(BASE + "model: {label_map: megc3}\n")
    assert contract_from_yaml(dump_contract(short)) == short
    assert LABEL_MAPS["megc3"].sha256 in dump_contract(short)
    with pytest.raises(ContractError, match="another table in this version"):
        contract_from_yaml(BASE + f"model: {{label_map: {{name: megc3, sha256: {'a' * 64}}}}}\n")


@pytest.mark.parametrize("written", ["megc5", "{name: megc5}"])
def test_an_unknown_map_is_one_complaint_with_the_nearest_name(written: str) -> None:
    for text, overrides in ((BASE + f"model: {{label_map: {written}}}\n", []), (BASE, [f"model.label_map={written}"])):
        with pytest.raises(ContractError, match="no label map `megc5`") as caught:
            contract_from_yaml(text, overrides=overrides)
        assert caught.value.fix == "did you mean `megc3`? known: megc3, megc2019, paper4, paper7, casme2_5"


def test_classes_beside_a_map_must_be_its_own() -> None:
    with pytest.raises(ContractError, match="leave them out"):
        contract_from_yaml(BASE + "model: {label_map: megc3, classes: [a, b]}\n")
    named = contract_from_yaml(BASE + "model: {classes: [a, b]}\n", overrides=["model.label_map=megc3"])
    assert named.model.classes == LABEL_MAPS["megc3"].classes


def test_peers_with_other_maps_have_other_digests_and_learn_that_it_is_the_map() -> None:
    one, two = (contract_from_yaml(BASE + f"model: {{label_map: {name}}}\n") for name in ("paper7", "casme2_5"))
    assert digest(one) != digest(two)
    here, there = section_digests(one), section_digests(two)
    differing = Terms(0, new_identity(), digest(one), here).differing(there)
    assert differing == ["model.label_map"] and "`model.label_map` differ" in contracts_differ(1, differing)
    without = section_digests(contract_from_yaml(BASE))
    assert without["model.label_map"] != here["model.label_map"]
