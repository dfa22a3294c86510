"""One grammar: every command has -h and examples, the examples are commands that there are, and options agree."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.main import cli


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None, name
        yield from leaves(inner, (*path, name))


COMMANDS = dict(leaves(cli))


@pytest.fixture(autouse=True)
def _nobody_has_asked_for_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """click keeps the help option that a command had when it was first asked, `--help` alone where a test before these
    ran it without `p2pme`."""
    for command in COMMANDS.values():
        monkeypatch.setattr(command, "_help_option", None)


def parsed(words: list[str]) -> click.Context:
    """The context of the command that `words` name, its options read; nothing is run."""
    command: click.Command = cli
    context = click.Context(cli, info_name="p2pme")
    while isinstance(command, click.Group):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"no command {words[0]}"
        command, words = inner, words[1:]
    parser = command.make_parser(click.Context(command, help_option_names=["-h", "--help"]))
    parser.parse_args(list(words))
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


def test_commands_that_train_take_rounds_seeds_out_and_json() -> None:
    for name in ("swarm", "compare", "evaluate"):
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {"--rounds", "--seeds", "--out", "--json", "--set"} <= options, name


def test_what_ends_with_numbers_has_json() -> None:
    for name in ("data audit", "data check", "predict", "status", "doctor", "topology show", "swarm"):
        assert any("--json" in parameter.opts for parameter in COMMANDS[name].params), name
