"""What docs/deploy.md gives to a service manager and a container: read as they read it, and lived where it can be."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from p2pfl_me.exits import Exit
from p2pfl_me.peer.host import STOPPED_PART_S
from p2pfl_me.wire.identity import load_identity, new_identity, save_identity
from p2pfl_me.wire.stream_sockets import split_address
from tests.cli.test_grammar import parsed
from tests.small import Command, events, wait_for, write_contract, write_vectors
from tests.wire.peers import free_base

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
CONTAINERFILE = (ROOT / "scripts" / "Containerfile").read_text(encoding="utf-8")
LAB = 3


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def unit() -> dict[str, dict[str, str]]:
    """The unit's sections; a key that stands twice in one would be an error here."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block("ini"))
    return {name: dict(parser[name]) for name in parser.sections()}


# -- systemd ----------------------------------------------------------------------------------------------------------


def test_systemd_reads_the_unit_without_a_word(tmp_path: Path) -> None:
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("no systemd here")
    file = tmp_path / "p2pme.service"
    file.write_text(block("ini").replace("/opt/p2pme/bin/p2pme", sys.executable), encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LANG": "C"},
    )
    if "not found" in done.stderr:
        pytest.skip("systemd's own units are not here")
    assert done.returncode == 0 and not done.stdout + done.stderr


def test_the_units_codes_are_those_after_which_the_same_command_would_end_the_same_way() -> None:
    service = unit()["Service"]
    ends = {Exit.DONE, Exit.REFUSED, Exit.INCOMPLETE, Exit.DIVERGED, Exit.STOPPED}
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == ends - {Exit.DONE}
    assert {int(code) for code in service["SuccessExitStatus"].split()} == {Exit.INCOMPLETE, Exit.STOPPED}
    assert service["Restart"] == "on-failure" and unit()["Unit"]["StartLimitIntervalSec"] == "0"
    told = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    assert "peer again after 1, 3, 70 and signals, and leave it after 0, 2, 4, 5 and 130" in told


def test_the_unit_waits_for_what_its_line_reads_and_may_write_where_it_writes() -> None:
    service, needs = unit()["Service"], unit()["Unit"]["RequiresMountsFor"].split()
    words = shlex.split(service["ExecStart"])
    given = dict(zip(words[2::2], words[3::2], strict=True))
    parsed(words[1:])
    assert given["--data"] in needs and Path(given["--out"]).parent == Path(service["ReadWritePaths"])
    home = dict([service["Environment"].split("=", 1)])["P2PME_HOME"]
    assert Path(home).is_relative_to(service["ReadWritePaths"]) and service["ReadWritePaths"] in needs
    assert service["ProtectSystem"] == "strict" and service["ProtectHome"] == "yes", "and nothing else is written"
    assert int(service["TimeoutStopSec"]) > 10 * STOPPED_PART_S and int(service["UMask"], 8) == 0o077


class Machine:
    """A folder that stands for `/` of the unit's machine: lab 3 of four, of whom the others never come."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.root = folder
        for name in ("etc/p2pme", "srv/films", "var/lib/p2pme"):
            (folder / name).mkdir(parents=True)
        base, members = free_base(4), []
        for k in range(4):
            save_identity(key := folder / ("etc/p2pme/lab.key" if k == LAB else f"{k}.key"), new_identity())
            address = f"tcp://127.0.0.1:{base + k}"
            members.append(f'{{id: {k}, address: "{address}", public_key: "{load_identity(key).public_text}"}}')
        write_vectors(folder / "srv/films/clips.safetensors", [1, 2])
        write_contract(
            folder / "etc/p2pme/ring.yaml",
            4,
            peers=f"{{members: [{', '.join(members)}]}}",
            training=f"{{rounds: {rounds}, local_epochs: 1}}",
            gossip="{start: {patience: 0.1}, alone: train, hand_out: 0}",
        )

    @property
    def run(self) -> Path:
        return self.root / "var/lib/p2pme/run"

    def start(self) -> Command:
        """The unit's line with its environment, but for where `/` is, and for clips that are features already."""
        line = unit()["Service"]["ExecStart"].replace("/srv/films", "/srv/films/clips.safetensors")
        words = shlex.split(re.sub(r"(?<= )/", f"{self.root}/", line))
        home = unit()["Service"]["Environment"].partition("=")[2]
        return Command(words[1:], Path(f"{self.root}{home}"))

    def rounds(self) -> list[int]:
        return [each["round"] for each in events(self.run, LAB, "round")]


@pytest.mark.processes
def test_the_units_line_goes_on_after_it_was_killed_and_ends_well_when_it_is_done(tmp_path: Path) -> None:
    machine, mask = Machine(tmp_path, rounds=12), os.umask(int(unit()["Service"]["UMask"], 8))
    try:
        first = machine.start()
        wait_for(lambda: len(machine.rounds()) >= 3, "three rounds")
        first.kill()
        assert first.finish()[0] == -signal.SIGKILL
        code, said = machine.start().finish()
        again, _ = machine.start().finish()
    finally:
        os.umask(mask)
    assert code == Exit.INCOMPLETE == again, said  # nobody was there to train with: the unit says that this is an end
    assert sorted(set(machine.rounds())) == list(range(12))
    starts = events(machine.run, LAB, "start")
    assert len(starts) == 3 and starts[0].get("resumed_round") is None and starts[1]["resumed_round"] >= 3
    written = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert written and not [path for path in written if path.stat().st_mode & 0o077]
    assert not [path for path in tmp_path.iterdir() if path.name in {"root", "home", "tmp"}]


# -- container --------------------------------------------------------------------------------------------------------


def steps() -> list[tuple[str, str]]:
    """The container file's instructions, their lines joined."""
    text = re.sub(r"\\\n", "", re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE))
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def step(name: str) -> str:
    (found,) = (rest for each, rest in steps() if each == name)
    return found


def test_the_container_file_says_what_a_builder_knows_in_an_order_that_works() -> None:
    names = [name for name, _ in steps()]
    assert names == ["FROM", "COPY", "COPY", "RUN", "USER", "WORKDIR", "ENV", "VOLUME", "ENTRYPOINT", "CMD"]
    assert (version := re.fullmatch(r"python:3\.(\d+)-slim", step("FROM"))) and int(version[1]) >= 11
    user = step("USER")
    assert f"--create-home {user}" in step("RUN") and f"chown {user} {step('VOLUME')}" in step("RUN")
    assert step("WORKDIR") == step("VOLUME") and step("ENV").partition("=")[2].startswith(f"{step('VOLUME')}/")
    parsed([*json.loads(step("ENTRYPOINT"))[1:], *json.loads(step("CMD"))])
    assert json.loads(step("ENTRYPOINT")) == ["p2pme"]


def test_what_the_container_file_copies_is_there_and_is_all_that_a_wheel_is_built_of() -> None:
    copied = [words.split() for name, words in steps() if name == "COPY"]
    assert copied == [
        ["pyproject.toml", "constraints.txt", "README.md", "LICENSE", "/src/"],
        ["p2pfl_me", "/src/p2pfl_me"],
    ]
    assert all((ROOT / name).exists() for *names, _ in copied for name in names)
    # `tests/test_wheel.py` builds and runs a wheel of the same files.
    assert "pip install --no-cache-dir --constraint /src/constraints.txt /src" in step("RUN")
    assert subprocess.run(["sh", "-n", "-c", step("RUN")], check=False).returncode == 0


def test_the_commands_for_the_container_and_those_in_it_are_commands() -> None:
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith("    ") and "docker " in line]
    build, run = (shlex.split(line) for line in lines)
    assert build == ["docker", "build", "-f", "scripts/Containerfile", "-t", "p2pme", "."]
    # Docker makes a folder that is missing as root, and the image's user could not write to it.
    assert run[:3] == ["mkdir", "-p", "state"]
    given = "docker run --rm --user $(id -u):$(id -g) -v $PWD/state:/state p2pme "
    assert " ".join(run[4:]).startswith(given)
    assert shlex.join(run[4:]).replace("'", "") in CONTAINERFILE.replace('"', "").replace(" -o ", " --out ")
    parsed(run[run.index("p2pme") + 1 :])


def test_the_compose_example_mounts_what_its_command_reads_and_opens_the_port_it_listens_on() -> None:
    file: dict[str, Any] = yaml.safe_load(block("yaml"))
    (peer,), volumes = file["services"].values(), file["volumes"]
    assert set(peer) <= {"build", "command", "restart", "stop_grace_period", "ports", "volumes", "deploy"}
    assert (ROOT / peer["build"]["context"] / peer["build"]["dockerfile"]).is_file()
    words = shlex.split(peer["command"])
    parsed(words)
    given = dict(zip(words[1::2], words[2::2], strict=True))
    mounts = {each.split(":")[1]: each.split(":") for each in peer["volumes"]}
    for option in ("--topology", "--key", "--data", "--out"):
        assert any(Path(given[option]).is_relative_to(inside) for inside in mounts), option
    writable = [inside for inside, words in mounts.items() if len(words) == 2]
    assert writable == [step("VOLUME")] and mounts["/state"][0] in volumes
    _, port = split_address(f"tcp://{given['--listen']}")
    assert peer["ports"] == [f"{port}:{port}"]
    assert peer["restart"] == "on-failure" and peer["stop_grace_period"] == f"{unit()['Service']['TimeoutStopSec']}s"
    assert int(peer["deploy"]["resources"]["limits"]["cpus"]) >= 1
