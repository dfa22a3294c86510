"""Plain words that YAML 1.1 takes for something else are refused where they stand, in files and in overrides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pfl_me.adversary.lies import parse_lies
from p2pfl_me.contract import contract_from_yaml, load_contract
from p2pfl_me.contract.source import read_yaml
from p2pfl_me.contract.varied import values_of
from p2pfl_me.errors import ContractError


@pytest.mark.parametrize(
    "word",
    [
        "yes",
        "No",
        "on",
        "OFF",
        "010",
        "1:30",
        "12:30:45",
        "0x1F",
        "0b11",
        "1:30.5",
        "2026-01-02",
        "1_0",
        "10_",
        "1__0",
        "1_0.5",
        "1_00",
        "0_0",
        "1_000.0_1",
    ],
)
def test_what_nobody_would_have_meant_is_refused_with_its_line(word: str) -> None:
    with pytest.raises(ContractError, match=rf"^c\.yaml:2: `{word}` would be taken for .*\n.*in quotes"):
        read_yaml(f"a: 1\nb: {word}\n", "c.yaml")
    with pytest.raises(ContractError, match="would be taken for"):
        read_yaml(f"a: [1, {{b: {word}}}]\n", "c.yaml")
    assert read_yaml(f"a: '{word}'", "c.yaml") == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("1_000", 1000),
        ("-12_000_000", -12_000_000),
        ("1_000.5", 1000.5),
        ("a_1", "a_1"),
        ("block_5", "block_5"),
        ("1e-3", "1e-3"),
        ("0.001", 0.001),
        (".5", 0.5),
        ("1.0e-3", 0.001),
        ("1.", 1.0),
        ("null", None),
        ("~", None),
        ("ring", "ring"),
        ("y", "y"),
        ("127.0.0.1:47000", "127.0.0.1:47000"),
        ("tcp://10.0.0.1:47000", "tcp://10.0.0.1:47000"),
        ("", None),
    ],
)
def test_what_is_meant_stays(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}", "c.yaml") == {"a": value}


BASE = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"


NUMBERS = ["training.rounds", "training.learning_rate", "seed", "gossip.start.quorum", "gossip.hand_out"]


@pytest.mark.parametrize("key", [*NUMBERS, "peers.widths"])
@pytest.mark.parametrize(
    "value", ["true", "False", "'1_0'", "'010'", "' 5 '", "1_0e1", "1.0e+3_0", "'５'", "'1_0.0'", "'+5'", "'0x5'", "''"]
)
def test_where_a_number_is_wanted_a_number_stands(key: str, value: str) -> None:
    """pydantic takes `true` for 1, and `"1_0"` for 10."""
    given = f"{{{value}: 0.5}}" if key == "peers.widths" else value
    with pytest.raises(ContractError, match=rf"(?s)^--set {key}: `{key}.*correct the value"):
        contract_from_yaml(BASE, overrides=[f"{key}={given}"])


@pytest.mark.parametrize("value", ["1", "0", "y", "'yes'", "'true'", "1.0", "t"])
def test_where_true_or_false_is_wanted_nothing_else_stands(value: str) -> None:
    with pytest.raises(ContractError, match=r"training\.augment\.mirror`: .*true or false"):
        contract_from_yaml(BASE, overrides=["training.augment={mirror: " + value + "}"])


@pytest.mark.parametrize(
    ("text", "rate"), [("1e-3", 0.001), ("'1e-3'", 0.001), ("1", 1.0), ("'0.5'", 0.5), (".5", 0.5)]
)
def test_a_number_that_everybody_reads_alike_is_taken(text: str, rate: float) -> None:
    """YAML 1.1 takes `1e-3`, which has no point, for a word."""
    assert contract_from_yaml(BASE, overrides=[f"training.learning_rate={text}"]).training.learning_rate == rate


def test_options_of_commands_are_read_as_files_are() -> None:
    for text in ("training.local_epochs=1_0,2_0", "training.local_epochs=010,1:30", "gossip.personal=yes,no", "a=*b"):
        with pytest.raises(ContractError, match=r"^--vary: cannot read `"):
            values_of(text)
    with pytest.raises(ContractError, match=r"^--attack: cannot read .*`010` would be taken for a number"):
        parse_lies("{kind: noise, times: 010}", 1)
    with pytest.raises(ContractError, match=r"^--attack: `times`: a number is wanted"):
        parse_lies("{kind: noise, times: true}", 1)
    with pytest.raises(ContractError, match=r"^--set training.rounds: `010` is not a value: .* taken for a number"):
        contract_from_yaml(BASE, overrides=["training.rounds=010"])


@pytest.mark.parametrize("value", ["true", "'1'", "1_0", "0x1"])
def test_a_version_is_a_number(value: str) -> None:
    with pytest.raises(ContractError, match="version"):
        contract_from_yaml(BASE, overrides=[f"version={value}"])


@pytest.mark.parametrize("name", ["", " ", " joy", "joy\t", "a\nb", "\x1b[2J", "\u202eyoj", "-", "?"])
def test_a_class_is_a_word(name: str) -> None:
    with pytest.raises(ContractError, match="a class is a word or several"):
        contract_from_yaml(BASE, overrides=[f"model.classes={json.dumps([name, 'fear'])}"])


@pytest.mark.parametrize("pair", [("joy", "JOY"), ("gêne", "ge\u0302ne"), ("joy  now", "joy now"), ("joy", "ｊｏｙ")])
def test_two_spellings_of_one_class_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ContractError, match="stands twice"):
        contract_from_yaml(BASE, overrides=[f"model.classes={json.dumps(pair)}"])
    assert contract_from_yaml(BASE, overrides=['model.classes=["joy, or amusement", "2"]']).model.classes[1] == "2"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_told_to_be_saved_anew(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text("version: 1\nname: é\n", encoding=encoding)
    with pytest.raises(ContractError, match=r"is no text in UTF-8\n.*save it as UTF-8"):
        load_contract(path)


def test_a_folder_is_no_contract_in_words(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r": cannot be read: is no regular file\n"):
        load_contract(tmp_path)
