"""Labs with keys and folders of their own, whose contract may change while they run: for whole-process tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from p2pfl_me.cli.approve import approve
from p2pfl_me.cli.propose import propose
from p2pfl_me.wire.identity import load_identity, new_identity, save_identity
from tests.small import Command, events, write_contract, write_vectors
from tests.wire.peers import free_base

GOSSIP = "{start: {patience: 120}, deadline: {min_s: 60}}"


class Federation:
    """`count` labs on this machine; lab k has the key k.key, its clips and the run folder lab-k."""

    def __init__(
        self,
        folder: Path,
        count: int,
        *,
        rounds: int,
        topology: str = "{kind: ring}",
        share: float = 0.6,
        gossip: str = GOSSIP,
        **sections: str,
    ):
        self.folder, self.count, self.base = folder, count, free_base(count + 3)
        for k in range(count + 1):
            self.new_key(f"{k}.key")
            write_vectors(folder / f"{k}.safetensors", [10 + 2 * k, 11 + 2 * k])
        lines = ", ".join(
            f'{{id: {k}, address: "{self.address(k)}", public_key: "{self.public(f"{k}.key")}"}}' for k in range(count)
        )
        self.contract = write_contract(
            folder / "labs.yaml",
            count,
            topology=topology,
            peers=f"{{approve: {share}, members: [{lines}]}}",
            training=f"{{rounds: {rounds}, local_epochs: 1}}",
            gossip=gossip,
            **sections,
        )

    def new_key(self, name: str) -> str:
        save_identity(self.folder / name, new_identity())
        return self.public(name)

    def public(self, name: str) -> str:
        return load_identity(self.folder / name).public_text

    def address(self, k: int) -> str:
        return f"tcp://127.0.0.1:{self.base + k}"

    def run(self, k: int) -> Path:
        return self.folder / f"lab-{k}"

    def start(self, k: int, *more: str) -> Command:
        words = ["peer", "--id", str(k), "--topology", str(self.contract), "--key", str(self.folder / f"{k}.key")]
        words += ["--data", str(self.folder / f"{k}.safetensors"), "--out", str(self.run(k)), *more]
        return Command(words, self.folder / "home")

    def join(self, k: int, ticket: Path, *more: str) -> Command:
        words = ["join", str(ticket), "--key", str(self.folder / f"{k}.key"), "--out", str(self.run(k))]
        return Command([*words, "--data", str(self.folder / f"{k}.safetensors"), *more], self.folder / "home")

    def view(self, name: str, approvers: Sequence[int], *changed: str, by: int = 0) -> Path:
        """A view of the run as lab `by` knows it, approved by these labs."""
        path = self.folder / name
        made = CliRunner().invoke(propose, [*changed, "--run", str(self.run(by)), "-o", str(path)])
        assert made.exit_code == 0, made.output + str(made.exception)
        for k in approvers:
            words = [str(path), "--run", str(self.run(k)), "--id", str(k), "--key", str(self.folder / f"{k}.key")]
            said = CliRunner().invoke(approve, words)
            assert said.exit_code == 0, said.output + str(said.exception)
        return path

    def rounds(self, k: int) -> list[int]:
        return [each["round"] for each in events(self.run(k), k, "round")]

    def said(self, k: int, kind: str | None) -> list[dict[str, Any]]:
        return events(self.run(k), k, kind)
