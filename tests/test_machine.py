"""A container's limits of cores and memory count, and not its host's."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from p2pfl_me import machine
from p2pfl_me.errors import ContractError


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
