"""Two labs look at each other before a run: what is well is said to be, and each thing that is not has its remedy."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.doctor import doctor
from p2pfl_me.cli.peer import peer
from p2pfl_me.contract import Contract, contract_from_values, contract_from_yaml, dump_contract
from p2pfl_me.contract.members import Relay
from p2pfl_me.doctor import machine
from p2pfl_me.doctor.calling import Absent, Linked, Met, Refused, call
from p2pfl_me.doctor.examine import examine
from p2pfl_me.doctor.finding import Finding, Verdict, exit_of
from p2pfl_me.doctor.folders import folders, going_on
from p2pfl_me.doctor.say import in_short
from p2pfl_me.errors import PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.peer.checkpoint import Checkpoint
from p2pfl_me.peer.directory import directory_of
from p2pfl_me.peer.opening import require_files
from p2pfl_me.peer.own_clips import keep
from p2pfl_me.peer.payments import privacy_ledger
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import load_shard
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.run.beginning import keep_contract
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.identity import Identity, new_identity, save_identity
from p2pfl_me.wire.relay import RelayServer
from tests.small import CLASSES, write_vectors
from tests.wire.peers import free_base, free_ports

KEYS: list[Identity] = [new_identity() for _ in range(3)]


def settings(folder: Path, peer: int, ports: list[int], **sections: str) -> PeerSettings:
    """A lab of three on a line: 0 - 1 - 2."""
    members = "\n".join(
        f"    - {{id: {k}, public_key: '{key.public_text}', address: 'tcp://127.0.0.1:{port}'}}"
        for k, (key, port) in enumerate(zip(KEYS, ports, strict=True))
    )
    more = "\n".join(f"{name}: {section}" for name, section in sections.items())
    contract = contract_from_yaml(
        f"version: 1\nname: x\ntopology: {{kind: line}}\npeers:\n  members:\n{members}\n"
        f"model: {{classes: [{', '.join(CLASSES)}]}}\n{more}\n"
    )
    key = folder / f"{peer}.key"
    if not key.exists():
        save_identity(key, KEYS[peer])
    run = folder / f"run-{peer}"
    return PeerSettings(peer, contract, run, folder / "home", key=key, device="cpu")


def meet(*labs: PeerSettings, patience_s: float = 60.0) -> list[dict[int, Met]]:
    async def scene() -> list[dict[int, Met]]:
        return [*await asyncio.gather(*(called(lab.contract, lab) for lab in labs))]

    async def called(contract: Contract, lab: PeerSettings) -> dict[int, Met]:
        return await call(contract, directory_of(lab, plan_of(contract)), patience_s)

    return asyncio.run(scene())


def about(findings: list[Finding], what: str) -> Finding:
    return next(finding for finding in findings if finding.about == what)


def test_whatever_says_what_a_peer_is_made_of_may_be_given_to_the_doctor_too() -> None:
    """Its remedy for an own network was `--network`, which it did not know."""
    taken = {each for option in doctor.params for each in option.opts}
    missing = {each for option in peer.params if not taken & {*option.opts} for each in option.opts}
    assert missing == {"--from", "--view", "--threads", "--resume", "--fresh", "--other-data", "--seal"}, "one start's"


def test_labs_that_look_at_the_same_time_measure_the_lines_between_them(tmp_path: Path) -> None:
    ports = free_ports(3)
    for found, neighbours in zip(
        meet(*(settings(tmp_path, k, ports) for k in range(3))), ([1], [0, 2], [1]), strict=True
    ):
        assert list(found) == neighbours
        for met in found.values():
            assert isinstance(met, Linked) and met.line
            assert 0 <= met.line.trip_s <= met.line.seconds and met.line.size >= 1 << 12


def test_who_has_seen_enough_and_gone_was_there_all_the_same(tmp_path: Path) -> None:
    """Lab 1 waits for 2, which begins when 0 has measured its line to 1 and has gone."""
    ports = free_ports(3)

    async def called(peer: int) -> dict[int, Met]:
        lab = settings(tmp_path, peer, ports)
        return await call(lab.contract, directory_of(lab, plan_of(lab.contract)), 60.0)

    async def scene() -> dict[int, Met]:
        middle = asyncio.create_task(called(1))
        await called(0)
        await called(2)
        return await middle

    found = asyncio.run(scene())
    assert all(isinstance(met, Linked) and met.line for met in found.values()) and list(found) == [0, 2]


def test_two_contracts_that_differ_are_named_by_section(tmp_path: Path) -> None:
    ports = free_ports(3)
    labs = settings(tmp_path, 0, ports), settings(tmp_path, 1, ports, training="{rounds: 7}")
    here, there = meet(*labs, patience_s=2.0)
    for met in (here[1], there[0]):
        assert isinstance(met, Refused) and "`training` differ" in met.why


def test_nobody_there_is_left_open_and_the_reason_is_the_systems(tmp_path: Path) -> None:
    ports = free_ports(3)
    found = examine(settings(tmp_path, 1, ports), patience_s=0.2)
    lower, higher = about(found, "peer 0"), about(found, "peer 2")
    assert lower.verdict is higher.verdict is Verdict.OPEN
    nobody = "the machine answers, and nobody listens at port"
    assert (
        f"(at tcp://127.0.0.1:{ports[1]}), and has not; tcp://127.0.0.1:{ports[0]}: {nobody} {ports[0]}" in lower.says
    )
    assert f"{nobody} {ports[2]}" in higher.says
    assert exit_of(found) is Exit.INCOMPLETE


def test_who_listens_and_does_not_call_is_told_apart_from_who_is_not_there(tmp_path: Path) -> None:
    ports = free_ports(3)
    with socket.create_server(("127.0.0.1", ports[0])):
        lower = about(examine(settings(tmp_path, 1, ports), patience_s=0.2), "peer 0")
    assert lower.verdict is Verdict.OPEN and f"somebody listens at tcp://127.0.0.1:{ports[0]}: is our" in lower.says


def test_a_name_that_means_nothing_is_wrong_whoever_is_there(tmp_path: Path) -> None:
    lab = settings(tmp_path, 0, free_ports(3))
    members = lab.contract.peers.members
    assert members
    nowhere = members[1].model_copy(update={"address": "tcp://lab-b.invalid:4000"})
    peers = lab.contract.peers.model_copy(update={"members": (members[0], nowhere, members[2])})
    (found,) = meet(replace(lab, contract=lab.contract.model_copy(update={"peers": peers})), patience_s=20.0)
    assert isinstance(found[1], Absent) and found[1].certain


def test_a_name_is_nothing_wrong_of_one_that_calls(tmp_path: Path) -> None:
    lab = settings(tmp_path, 1, free_ports(3))
    members = lab.contract.peers.members
    assert members
    nowhere = members[0].model_copy(update={"address": "tcp://lab-a.invalid:4000"})
    peers = lab.contract.peers.model_copy(update={"members": (nowhere, *members[1:])})
    (found,) = meet(replace(lab, contract=lab.contract.model_copy(update={"peers": peers})), patience_s=0.2)
    assert isinstance(met := found[0], Absent) and not met.certain
    assert met.why.startswith("it calls us (at tcp://127.0.0.1:") and "cannot be looked up" in met.why


def test_a_key_that_others_can_read_keeps_a_peer_from_its_run(tmp_path: Path) -> None:
    lab = settings(tmp_path, 0, free_ports(3))
    assert lab.key
    lab.key.chmod(0o644)
    found = examine(lab)
    assert about(found, "key").verdict is Verdict.BAD and "chmod 600" in about(found, "key").fix
    assert exit_of(found) is Exit.FAILED


def test_a_port_that_is_taken_is_said_with_who_has_it(tmp_path: Path) -> None:
    ports = free_ports(3)
    with socket.create_server(("127.0.0.1", ports[1])):
        found = examine(settings(tmp_path, 1, ports))
    assert about(found, "port").verdict is Verdict.BAD and "in use" in about(found, "port").says


def test_nobody_is_called_in_the_name_of_a_peer_that_runs(tmp_path: Path) -> None:
    """Its neighbours would take the doctor for it, and drop its links."""
    lab = settings(tmp_path, 0, free_ports(3))
    lab.run.mkdir(mode=0o700)
    log = EventLog(RunFolder(lab.run).log(0))
    log.claim()
    try:
        found = examine(lab)
    finally:
        log.close()
    assert about(found, "neighbours").says == f"peer 0 runs now in {lab.run}"
    assert not any(finding.about.startswith("peer ") for finding in found)


def test_clips_are_held_against_the_contracts_classes(tmp_path: Path) -> None:
    lab = settings(tmp_path, 0, free_ports(3))
    own = replace(lab, data=write_vectors(tmp_path / "own.safetensors", [1, 2, 3]))
    found = examine(own, patience_s=0.1)
    assert "negative" in about(found, "data").says and about(found, "data").verdict is Verdict.GOOD
    missing = examine(replace(lab, data=tmp_path / "none.csv"), patience_s=0.1)
    assert about(missing, "data").verdict is Verdict.BAD and about(missing, "data").fix


def test_clips_that_the_run_in_the_folder_has_not_trained_on_are_told_before_it_goes_on(tmp_path: Path) -> None:
    lab = settings(tmp_path, 0, free_ports(3))
    own = replace(lab, data=write_vectors(tmp_path / "own.safetensors", [1, 2, 3]))
    shard = load_shard(own)
    RunFolder(own.run).checkpoint(0).parent.mkdir(exist_ok=True)
    RunFolder(own.run).checkpoint(0).write_bytes(b"of rounds")
    keep(own.run, 0, shard.marks)
    assert all(each.verdict is Verdict.GOOD for each in examine(own, patience_s=0.1) if each.about == "data")
    write_vectors(tmp_path / "own.safetensors", [4, 5, 6])
    told = [each for each in examine(own, patience_s=0.1) if each.about == "data"][-1]
    assert told.verdict is Verdict.BAD and "36 new, 36 gone" in told.says and "--other-data" in told.fix


def test_a_folder_that_the_peer_could_not_write_is_told_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else was well, and the peer ended at once."""
    lab = settings(tmp_path, 1, free_ports(3))
    found = list(folders(lab))
    assert [(each.about, each.verdict) for each in found] == [("folder", "good"), ("home", "good")]
    assert not lab.run.exists() and not lab.home.exists()
    (tmp_path / "file").write_text("no folder")
    for where in (tmp_path / "file", tmp_path / "file" / "below"):
        for changed, what in ((replace(lab, run=where), "folder"), (replace(lab, home=where), "home")):
            assert about(list(folders(changed)), what).verdict == Verdict.BAD, where
    lab.run.mkdir(mode=0o700)
    lab.run.chmod(0o777)
    open_to_all = about(list(folders(lab)), "folder")
    assert open_to_all.verdict == Verdict.BAD and "others may write to" in open_to_all.says
    assert open_to_all.fix.startswith("chmod 700")
    lab.run.chmod(0o700)
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path)  # root may write everywhere
    assert about(list(folders(lab)), "folder").verdict == Verdict.GOOD
    home = about(list(folders(lab)), "home")
    assert home.verdict == Verdict.BAD and f"{tmp_path}: cannot be written" in home.says
    monkeypatch.undo()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1 << 20))
    assert (
        about(list(folders(lab)), "home").verdict == Verdict.BAD and "1.05 MB" in about(list(folders(lab)), "home").says
    )


def test_a_run_that_would_not_go_on_under_the_contract_is_told_before_the_start(tmp_path: Path) -> None:
    lab = settings(tmp_path, 0, free_ports(3))
    plan = directory_of(lab, plan_of(lab.contract))
    keep_contract(lab.run, lab.contract)
    longer = replace(
        lab, contract=contract_from_values({**lab.contract.model_dump(mode="json"), "training": {"rounds": 50}})
    )
    assert list(going_on(longer, plan)) == [], "nothing was trained: it gives way"
    RunFolder(lab.run).checkpoint(0).write_bytes(b"x")
    assert list(going_on(lab, plan)) == []
    (told,) = going_on(longer, plan)
    assert told.verdict == Verdict.NOTE and "training.rounds" in told.says
    other = replace(lab, contract=contract_from_values({**lab.contract.model_dump(mode="json"), "seed": 7}))
    (told,) = going_on(other, plan)
    assert told.verdict == Verdict.BAD and "`seed`" in told.says and "--from MODEL" in told.fix
    approving = {**lab.contract.model_dump(mode="json")}
    approving["peers"] = {**approving["peers"], "approve": 0.6}
    RunFolder(lab.run).contract.write_text(dump_contract(contract_from_values(approving)))
    (told,) = going_on(replace(lab, contract=contract_from_values({**approving, "training": {"rounds": 50}})), plan)
    assert told.verdict == Verdict.OPEN and "2 of 3 members must approve" in told.says and "--view" in told.fix


def test_whoever_names_the_contract_of_the_beginning_is_looked_at_under_the_agreed_one(tmp_path: Path) -> None:
    """As `p2pme peer` goes on: it had been told that all neighbours have another contract."""
    lab = settings(tmp_path, 1, free_ports(3))
    agreed = contract_from_values({**lab.contract.model_dump(mode="json"), "training": {"rounds": 50}})
    keep_contract(lab.run, lab.contract)
    keep_contract(lab.run, agreed, agreed=True)
    RunFolder(lab.run).view(1).write_text("{}")
    found = examine(lab, patience_s=0.1)
    told = [each for each in found if each.about == "contract"]
    assert "agreed on 1 change since" in told[0].says and "50 rounds" in told[1].says


def test_a_clock_without_a_battery_is_told(tmp_path: Path) -> None:
    assert machine.clock(now=0.0).verdict is Verdict.NOTE and "1970" in machine.clock(now=0.0).says


def test_a_disk_that_the_run_would_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = settings(tmp_path, 0, free_ports(3))
    assert machine.disk(lab, 1000, 2).verdict is Verdict.GOOD
    full = machine.disk(replace(lab, record=True), 10**13, 2)
    assert full.verdict is Verdict.BAD and full.fix


def test_the_command_says_the_same_to_people_and_to_programs(tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    loopback = f"{{count: 3, base_port: {free_base(3)}}}"
    path.write_text(f"version: 1\nname: x\ntopology: {{kind: ring}}\npeers: {{loopback: {loopback}}}\n")
    words = ["--id", "7", "--topology", str(path), "--out", str(tmp_path / "run"), "--device", "cpu", "--wait", "0.1"]
    lines = CliRunner().invoke(doctor, words)
    told = CliRunner().invoke(doctor, [*words, "--json"])
    assert lines.exit_code == told.exit_code == Exit.FAILED
    found = json.loads(told.output)["findings"]
    key = next(each for each in found if each["about"] == "key")
    assert key["verdict"] == "bad" and key["says"] in lines.output and "choose --id from 0 to 2" in lines.output
    assert "Nothing stands in the way" in in_short([Finding("a", Verdict.GOOD, "b")])


def test_labs_that_nobody_can_call_are_told_of_their_relay_and_meet_there(tmp_path: Path) -> None:
    labs = [settings(tmp_path, peer, free_ports(3)) for peer in range(2)]
    at, key = f"tcp://127.0.0.1:{free_ports(1)[0]}", new_identity()
    members = tuple(
        member.model_copy(update={"address": None, "dial_only": True} if member.id < 2 else {"address": "tcp://c:1"})
        for member in labs[0].contract.peers.members or ()
    )
    relays = (Relay(address=at, public_key=key.public_text),)
    peers = labs[0].contract.peers.model_copy(update={"members": members, "relays": relays})
    contract = labs[0].contract.model_copy(update={"peers": peers})
    labs = [replace(lab, contract=contract) for lab in labs]
    found = examine(labs[0], patience_s=0.3)
    assert about(found, "relay").verdict is about(found, "peer 1").verdict is Verdict.OPEN
    assert f"nobody listens at port {at.rpartition(':')[2]}" in about(found, "relay").says
    assert f"the relay {at}: refused or unreachable" in about(found, "peer 1").says

    async def scene() -> list[dict[int, Met]]:
        server = RelayServer(key, [(KEYS[0].public, KEYS[1].public)], 1e9, print, bytes.hex)
        serving = asyncio.create_task(server.serve(server.listen(at)))
        met = await asyncio.gather(*(call(contract, directory_of(lab, plan_of(contract)), 60.0) for lab in labs))
        serving.cancel()
        return met

    first, _ = asyncio.run(scene())  # whoever has seen enough may go before the other has measured
    assert isinstance(first[1], Linked)


def test_what_is_spent_and_a_ledger_that_is_lost_are_told(tmp_path: Path) -> None:
    pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")
    lab = settings(tmp_path, 0, free_ports(3), privacy="{training: {kind: dp_sgd, noise: 2.0}, budget: {epsilon: 12}}")
    said = about(examine(lab, 0.1), "privacy")
    assert said.verdict is Verdict.GOOD and "epsilon 0 of 12 is spent, in 0 payments" in said.says
    assert not lab.run.exists()
    begins = Checkpoint(0, 0, np.zeros(3, np.float32), Progress(), "", "")
    ledger = privacy_ledger(lab.contract, lab.run, begins, home=lab.home)
    assert ledger is not None
    ledger.spend(0, Release(noise=2.0, rate=0.1, steps=3))
    ledger.close()
    said = about(examine(lab, 0.1), "privacy")
    assert said.verdict is Verdict.GOOD and f"epsilon {ledger.epsilon:.3g} of 12 is spent, in 1 payment (" in said.says
    for run in (lab.run, tmp_path / "another"):
        RunFolder(lab.run).privacy(0).unlink(missing_ok=True)
        lab = replace(lab, run=run)
        said = about(examine(lab, 0.1), "privacy")
        assert said.verdict is Verdict.BAD and "peer 0 has made 1 payment under this contract" in said.says


@pytest.mark.parametrize(("allowed", "fits"), [(36, True), (35, False)])
def test_a_limit_of_open_files_is_weighed_before_libzmq_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, allowed: int, fits: bool
) -> None:
    monkeypatch.setattr("p2pfl_me.peer.opening.allow_many_files", lambda: allowed)
    if fits:
        require_files(1)
        return
    with pytest.raises(
        PeerError, match="a peer of 1 neighbour takes about 36 open files, and 35 are allowed"
    ) as refused:
        require_files(1)
    assert "ulimit -Hn" in refused.value.fix and refused.value.exit_code == 3


def test_a_limit_of_addresses_is_weighed_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ulimit -v` says nothing of memory that is free: a peer under a small one ends when it loads its libraries."""
    assert machine.memory(1000).verdict is Verdict.GOOD
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1_000_000_000, resource.RLIM_INFINITY))
    found = machine.memory(1000)
    assert found.verdict is Verdict.BAD and "`ulimit -v` allows 1 GB" in found.says and "unlimited" in found.fix
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2_000_000_000, resource.RLIM_INFINITY))
    assert machine.memory(1000).verdict is Verdict.GOOD and machine.memory(10**9).verdict is Verdict.BAD
