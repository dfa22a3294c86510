"""A container's limits of cores and memory count, and not its host's; and so does one that a block is given."""

from __future__ import annotations

import os
import resource
import socket
import sys
from pathlib import Path

import pytest

from p2pfl_me import machine
from p2pfl_me.errors import ContractError
from p2pfl_me.files import read_regular, read_text
from p2pfl_me.machine import growing_at_most


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two nested groups, the inner first."""
    found = [tmp_path / "pod" / "container", tmp_path / "pod"]
    found[0].mkdir(parents=True)
    monkeypatch.setattr(machine, "_groups", lambda: found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    return found


@pytest.mark.parametrize(
    ("inner", "outer", "found"),
    [
        ("max 100000", "max 100000", 64),
        ("250000 100000", "max 100000", 3),
        ("max 100000", "200000 100000", 2),
        ("20000 100000", "800000 100000", 1),
    ],
)
def test_the_smallest_share_of_the_cores_counts(groups: list[Path], inner: str, outer: str, found: int) -> None:
    for group, text in zip(groups, (inner, outer), strict=True):
        (group / "cpu.max").write_text(text)
    assert machine.cores() == found


def test_what_a_scheduler_gave_counts_as_long_as_its_task_goes_on(groups: list[Path]) -> None:
    for group in groups:
        (group / "cpu.max").write_text("max 100000")
    before = machine.cores()
    with machine.confined(2):
        assert machine.cores() == 2
        with pytest.raises(RuntimeError), machine.confined(1):
            assert machine.cores() == 1
            raise RuntimeError
        assert machine.cores() == 2
    assert machine.cores() == before > 2


def test_a_mask_of_cores_counts_too(groups: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert machine.cores() == 2


def test_the_memory_that_a_container_leaves_is_all_there_is(groups: list[Path]) -> None:
    whole = machine.available_bytes()
    assert whole > 0
    for group, limit in zip(groups, ("1000000", "max"), strict=True):
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text("700000")
        (group / "memory.stat").write_text("anon 500000\ninactive_file 150000\n")
    assert machine.available_bytes() == 450_000
    (groups[0] / "memory.current").write_text("2000000")
    assert machine.available_bytes() == 0


@pytest.mark.parametrize("joined", [False, True])
def test_groups_of_the_first_version_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joined: bool) -> None:
    """Many a hospital's system has them: a peer had taken all of the host for its own."""
    told = "11:memory:/lab/peer\n4:cpu,cpuacct:/lab\n2:cpuset:/\n1:name=systemd:/x\n"
    (tmp_path / "own").write_text(told if joined else told.replace("cpu,cpuacct", "cpu") + "0::/\n")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(8)})
    cpu, memory = tmp_path / "groups" / "cpu", tmp_path / "groups" / "memory"
    peer = memory / "lab" / "peer"
    for folder in (peer, cpu / "lab"):
        folder.mkdir(parents=True)
    for group, quota in ((cpu, -1), (cpu / "lab", 250_000)):
        (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (group / "cpu.cfs_period_us").write_text("100000\n")
    for group, limit in ((memory, 2**63 - 4096), (peer.parent, 1_000_000), (peer, 2**63 - 4096)):
        (group / "memory.limit_in_bytes").write_text(f"{limit}\n")
        (group / "memory.usage_in_bytes").write_text("700000\n")
        (group / "memory.stat").write_text("cache 300000\ntotal_inactive_file 150000\n")
    assert machine.cores() == 3 and machine.available_bytes() == 450_000
    (tmp_path / "own").write_text(told.replace("/lab", "/docker/of/another/name"))  # as inside a container
    assert machine.cores() == 8 and machine.available_bytes() > 1_000_000


def test_the_limit_of_open_files_is_raised_and_never_lowered() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
        now = machine.allow_many_files()
        assert now > 128 and resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(now, before[0])
        assert machine.allow_many_files() == now
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_who_holds_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert machine.holder_of(port).startswith(f"process {os.getpid()} (")
    assert machine.holder_of(port) == ""


@pytest.mark.parametrize(
    ("each", "shared", "fix"),
    [(4_000, 4_000, "take 8 or fewer"), (4_500, 4_000, "take 7 or fewer"), (4_000, 36_000, "take a machine with more")],
)
def test_more_peers_than_memory_are_refused_with_the_number_that_fits(
    each: int, shared: int, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_bytes", lambda: 39_999)
    machine.require_bytes(9, 4_000, "here", "take {fit} or fewer")
    with pytest.raises(ContractError, match="9 peers take about") as caught:
        machine.require_bytes(9, each, "here", "take {fit} or fewer", shared=shared)
    assert caught.value.fix.startswith(fix)


counts_memory = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a limit of memory")


@counts_memory
def test_the_bound_ends_with_its_block_and_one_that_is_there_already_stays() -> None:
    with growing_at_most(1 << 28):
        with pytest.raises(MemoryError):
            bytearray(1 << 32)  # more than a collection of garbage gives back meanwhile
        bytearray(1 << 20)
    assert len(bytearray(1 << 29)) == 1 << 29
    with pytest.raises(KeyError), growing_at_most(1 << 28):
        raise KeyError
    assert len(bytearray(1 << 29)) == 1 << 29


@counts_memory
def test_a_small_file_is_read_where_little_memory_is_to_be_had(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    with growing_at_most(1 << 24):
        assert read_text(tmp_path / "a") == "text" and read_regular(tmp_path / "a", 3 << 30) == b"text"
        with pytest.raises(OSError, match="has 4 bytes, more than 3"):
            read_regular(tmp_path / "a", 3)


def test_who_gets_no_memory_is_told_so_whatever_library_says_it() -> None:
    """Under `ulimit -v` torch's own words were an internal error, to be reported."""
    torch = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"
    said = [
        RuntimeError(torch),
        RuntimeError("CUDA out of memory. Tried"),
        ImportError("libtorch_cpu.so: failed to map segment"),
        RuntimeError("can't start new thread"),
    ]
    for error in (*said, MemoryError(), OSError(12, "Cannot allocate memory")):
        found = machine.lack_of(error)
        assert found is not None and found.exit_code == 3 and "ulimit -v" in found.fix
    assert machine.lack_of(RuntimeError("a shape")) is None and machine.lack_of(OSError(28, "no space")) is None
