"""Plain words that YAML 1.1 takes for something else are refused where they stand, in files and in overrides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.contract import contract_from_yaml, load_contract
from p2pfl_me.contract.source import read_yaml
from p2pfl_me.errors import ContractError


@pytest.mark.parametrize(
    "word",
    ["yes", "No", "on", "OFF", "010", "1:30", "12:30:45", "0x1F", "0b11", "1:30.5", "2026-01-02"],
)
def test_what_nobody_would_have_meant_is_refused_with_its_line(word: str) -> None:
    if isinstance(read_or_error(word), str):
        return  # plain text to YAML 1.1: no surprise
    with pytest.raises(ContractError, match=rf"^c\.yaml:2: `{word}` would be taken for .*\n.*in quotes"):
        read_yaml(f"a: 1\nb: {word}\n", "c.yaml")
    with pytest.raises(ContractError, match="would be taken for"):
        read_yaml(f"a: [1, {{b: {word}}}]\n", "c.yaml")
    assert read_yaml(f"a: '{word}'", "c.yaml") == {"a": word}


def read_or_error(word: str) -> Any:
    try:
        return read_yaml(word, "x")
    except ContractError:
        return None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("1_000", 1000),
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
