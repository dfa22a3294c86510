"""One grammar: every command has -h and examples, the examples are commands that there are, and options agree."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.main import cli
from p2pfl_me.cli.numbers import Number, Whole, wholes
from p2pfl_me.compare.protections import parse_protections
from p2pfl_me.compare.skew import parse_skew
from p2pfl_me.console.status import Neighbour, PeerStatus
from p2pfl_me.contract.privacy import unrecorded_note
from p2pfl_me.contract.ready import read_contract
from p2pfl_me.errors import P2pmeError


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None, name
        yield from leaves(inner, (*path, name))


def groups(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Group]]:
    if isinstance(command, click.Group):
        yield " ".join(path), command
        for name in command.list_commands(click.Context(command)):
            if inner := command.get_command(click.Context(command), name):
                yield from groups(inner, (*path, name))


COMMANDS, GROUPS = dict(leaves(cli)), dict(groups(cli))


@pytest.fixture(autouse=True)
def _nobody_has_asked_for_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """click keeps the help option that a command had when it was first asked, `--help` alone where a test before these
    ran it without `p2pme`."""
    for command in (*COMMANDS.values(), *GROUPS.values()):
        monkeypatch.setattr(command, "_help_option", None)


def parsed(words: list[str]) -> click.Context:
    """The context of the command that `words` name, its options read, and none missing; nothing is run."""
    command: click.Command = cli
    context = click.Context(cli, info_name="p2pme")
    while isinstance(command, click.Group):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"no command {words[0]}"
        command, words = inner, words[1:]
    parser = command.make_parser(click.Context(command, help_option_names=["-h", "--help"]))
    given, _, _ = parser.parse_args(list(words))
    for each in command.params:
        assert not each.required or given.get(each.name or "") not in (None, ()), f"{command.name} lacks {each.opts}"
    return click.Context(command)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_commands_help_are_commands(name: str) -> None:
    help = CliRunner().invoke(cli, [*name.split(), "-h"])
    assert help.exit_code == 0, help.output
    _, _, block = help.output.partition("\n  Examples:\n")
    if not block:
        _, _, block = help.output.partition("to try it out:\n")
    lines = [line.strip().removesuffix("&").strip() for line in block.splitlines() if line.strip()]
    assert lines, f"p2pme {name} has no examples"
    assert any(line.startswith(f"p2pme {name}") for line in lines)
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "p2pme"
        parsed(words)


def test_what_means_the_same_is_written_the_same() -> None:
    by_option: dict[str, set[type[click.ParamType]]] = {}
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if not isinstance(parameter, click.Option):
                continue
            assert parameter.help or parameter.show_default, f"{name}: {parameter.opts}"
            by_option.setdefault(
                next((each for each in parameter.opts if each.startswith("--")), parameter.opts[0]), set()
            ).add(type(parameter.type))
            if "--out" in parameter.opts:
                assert "-o" in parameter.opts, f"{name}: --out without -o"
    for option in ("--seeds", "--rounds", "--set", "--data", "--topology"):
        assert len(by_option[option]) == 1, option


def test_a_word_names_one_thing_in_every_command() -> None:
    """Under any of its spellings: the folder of a run that goes on is never the one that is written."""
    named = {
        (word, option.name)
        for _, command in leaves(cli)
        for option in command.params
        if isinstance(option, click.Option)
        for word in option.opts
        if word in {"--run", "--out"}
    }
    assert named == {("--run", "run"), ("--out", "out")}


def test_commands_that_train_take_rounds_seeds_out_and_json() -> None:
    for name in ("swarm", "compare", "evaluate"):
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {"--rounds", "--seeds", "--out", "--json", "--set"} <= options, name


def test_what_can_override_a_contract_takes_its_rounds_by_name() -> None:
    """`--vary` alone sets no one contract."""
    for name, command in COMMANDS.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--set" in options) <= ("--rounds" in options), name


WITHOUT_NUMBERS = {
    *("serve", "relay", "watch", "live"),  # they go on until they are stopped
    *("propose", "approve", "adopt", "leave", "ticket"),  # a file, and what to do with it
    *("init", "members add", "topology new"),
    *(f"keys {verb}" for verb in ("accept", "fingerprint", "new", "revoke", "rotate", "seal", "show", "unseal")),
}


def with_json() -> set[str]:
    return {name for name, command in COMMANDS.items() if any("--json" in each.opts for each in command.params)}


def test_what_ends_with_numbers_or_a_list_has_json() -> None:
    assert with_json() == set(COMMANDS) - WITHOUT_NUMBERS


def test_every_json_object_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    firsts = re.findall(r"^\| (`[^|]+`) \|", page.partition("## A run")[0], re.MULTILINE)
    rows = [name for first in firsts for name in re.findall(r"`([a-z -]+)`", first)]
    assert sorted(rows) == sorted(with_json())
    status = next(line for line in page.splitlines() if line.startswith("| `status` |"))
    assert {each.name for of in (PeerStatus, Neighbour) for each in fields(of)} <= set(re.findall(r"`(\w+)`", status))


@pytest.mark.parametrize("words", ["network list", "topology list", "topology show ring", "members list lab"])
def test_an_object_states_its_format(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(cli, ["init", "lab", "--labs", "2", "--id", "0"], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    done = CliRunner().invoke(cli, [*words.split(), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["format"] == 1 and len(said) > 1


def test_what_is_listed_for_people_is_in_the_object() -> None:
    for name, key, field in (("network list", "networks", "backbone"), ("topology list", "kinds", "kind")):
        said = json.loads(CliRunner().invoke(cli, [*name.split(), "--json"]).stdout)[key]
        shown = CliRunner().invoke(cli, name.split()).stdout
        assert said
        for each in said:
            assert each[field] in shown


def test_who_does_not_record_is_told_what_that_costs_unless_nothing_may_be_recorded() -> None:
    said = unrecorded_note(read_contract(Path("ring"), ()))
    assert said and "--record" in said and "p2pme replay" in said
    assert unrecorded_note(read_contract(Path("masks"), ())) is None


ODD = ("1_0", "١٢", "\uff11\uff12", "+12", "012", "0x10", "1e400", "inf", "-inf", "nan", "1" * 5000, "")


def test_a_number_is_written_in_plain_digits() -> None:
    """As in a contract: click takes `1_0` for 10 and `١٢` for 12, and of `inf` and `nan` it knows no harm."""
    numbers = [
        (name, parameter, parameter.type)
        for name, command in COMMANDS.items()
        for parameter in command.params
        if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType)
    ]
    assert len(numbers) > 70
    for name, parameter, type in numbers:
        assert isinstance(type, Whole | Number), f"{name}: {parameter.opts}"
        assert type.min is not None
        assert type.convert(str(type.min + 1 - (type.max == 1)), parameter, None) is not None
        for text in (*ODD, " 12 "):
            with pytest.raises(click.BadParameter, match="plain digits"):
                type.convert(text, parameter, None)


@pytest.mark.parametrize("text", [*ODD, "2,1_6", "2,", ",2", "2;4"])
def test_several_numbers_are_too(text: str) -> None:
    with pytest.raises(click.BadParameter, match="several with commas"):
        wholes(text, 2)
    with pytest.raises(P2pmeError):
        parse_skew(f"dirichlet:{text}")
    with pytest.raises(P2pmeError):
        parse_protections(f"dp:{text}")


def test_several_numbers_stand_once_each() -> None:
    assert wholes("2, 16", 2) == (2, 16) and wholes(None, 2) == ()
    with pytest.raises(click.BadParameter, match="twice"):
        wholes("2,16,2", 2)
    with pytest.raises(click.BadParameter, match="from 2 to 9"):
        wholes("2,16", 2, 9)


@pytest.mark.parametrize("name", GROUPS)
def test_a_list_of_commands_cuts_no_sentence(name: str) -> None:
    said = CliRunner().invoke(cli, [*name.split(), "-h"], terminal_width=80, catch_exceptions=False).output
    listed = said.partition("\nCommands:\n")[2]
    assert listed and "..." not in listed, said


def test_of_two_folders_none_is_dropped_in_silence() -> None:
    """The first was, so that an evaluation of two data sets had been one of the second."""
    with_data = [(name, leaf) for name, leaf in COMMANDS.items() for param in leaf.params if "--data" in param.opts]
    assert len(with_data) >= 9
    for name, leaf in with_data:
        option = next(param for param in leaf.params if "--data" in param.opts)
        with pytest.raises(click.BadParameter, match="given twice"):
            option.process_value(click.Context(leaf), ("one", "other"))
        assert option.process_value(click.Context(leaf), ("one",)) == Path("one"), name
