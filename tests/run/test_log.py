"""The log of a peer: what is written comes back typed, and what cannot be read is named by line and reason."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.run import events, lines
from p2pfl_me.run.codec import decode, encode
from p2pfl_me.run.declare import REGISTRY, Event, LineError, UnknownEvent, described, event
from p2pfl_me.run.document import BEGIN, END, declarations, exit_codes
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.ledger import Sent, read_ledger, sent_line
from p2pfl_me.run.lines import EventLog, Ledger, Lines
from p2pfl_me.run.reading import Tail, read_log
from tests.run.making import a_round, log, start, trained

DOCS = Path(__file__).parents[2] / "docs"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**40)
BY_PEER = st.dictionaries(st.integers(0, 1000), NUMBERS, max_size=4)


@given(
    number=COUNTS,
    loss=st.none() | NUMBERS,
    weights=BY_PEER,
    missing=st.dictionaries(st.integers(0, 1000), st.text(max_size=20), max_size=3),
    uf1=st.none() | NUMBERS,
    t=st.floats(0, 4e9),
)
def test_a_round_comes_back_as_it_was_written(
    number: int, loss: float | None, weights: dict[int, float], missing: dict[int, str], uf1: float | None, t: float
) -> None:
    said = a_round(number, uf1, missing, loss=loss, weights=weights)
    back = decode(encode(t, said))
    assert back.event == said and back.t == round(t, 6)


@pytest.mark.parametrize("said", [start(), trained(), events.Link(1, events.LinkState.DOWN, 'a "reason"\n')])
def test_other_events_come_back_too(said: AnyEvent) -> None:
    line = encode(1.5, said)
    assert decode(line).event == said and "\n" not in line
    assert json.loads(line)["event"] == said.NAME


def test_a_loss_that_is_no_number_is_written_as_none() -> None:
    for loss in (math.nan, math.inf):
        back = decode(encode(0, a_round(0, loss=loss))).event
        assert isinstance(back, events.Round) and back.loss is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"loss": "1.5"}, "round: `loss`: input should be a valid number"),
        ({"round": 1.5}, "round: `round`: input should be a valid integer"),
        ({"round": True}, "round: `round`"),
        ({"weights": {"a": 1.0}}, "round: `weights.a`"),
        ({"test": {"confusion": [[1, "x"]]}}, "round: `test.confusion.0.1`"),
        ({"round": 2**70}, "round: `round`: input should be less than or equal to"),
        ({"test": {"confusion": [[1, -(10**30)]]}}, "round: `test.confusion.0.1`"),
        ({"test": {"by_subject": {"a": [[0, 2**63]]}}}, "round: `test.by_subject.a.0.1`"),
        ({"weights": {str(2**64): 1.0}}, "round: `weights"),
        ({"t": None}, "round: `t` is no time"),
        ({"t": True}, "round: `t` is no time"),
        ({"event": 3}, "names no event"),
    ],
)
def test_a_field_of_another_type_is_named(change: dict[str, object], why: str) -> None:
    line = json.dumps({**json.loads(encode(0, a_round(1, 0.5))), **change})
    with pytest.raises(LineError) as caught:
        decode(line)
    assert why in caught.value.what


@pytest.mark.parametrize("name", ["bytes_sent", "weights", "test"])
def test_a_field_that_was_renamed_is_missed_and_not_taken_for_none(name: str) -> None:
    values = json.loads(encode(0, a_round(1, 0.5)))
    values["other"] = values.pop(name)
    with pytest.raises(LineError, match=f"round: `{name}`: field required"):
        decode(json.dumps(values))


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[1]", b"3", b'{"event":"round"\xff}', b"[" * 100_000, b'{"t":1}', b"NaN"]
)
def test_what_is_no_line_raises_the_declared_error_only(line: bytes) -> None:
    with pytest.raises(LineError):
        decode(line)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    try:
        decode(line)
    except LineError:
        return


def test_lines_of_a_newer_version_are_told_from_damage() -> None:
    line = json.loads(encode(0, trained()))
    with pytest.raises(UnknownEvent, match=r"`trained` in version 2\n  -> read it with the version of p2pme"):
        decode(json.dumps({**line, "v": 2}))
    with pytest.raises(UnknownEvent, match="the event `dreamt`"):
        decode(json.dumps({**line, "event": "dreamt"}))
    assert decode(json.dumps({**line, "more": 1})).event == trained(), "a field more is no other event"


def test_a_version_is_written_where_it_is_not_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events.Trained, "VERSION", 2)
    line = encode(0, trained())
    assert json.loads(line)["v"] == 2 and decode(line).event == trained()
    assert decode(line.replace('"v":2,', "")).event == trained()


def test_a_log_is_read_whole_and_its_faults_are_named(tmp_path: Path) -> None:
    log(tmp_path, 0, start(), a_round(0))
    path = RunFolder(tmp_path).log(0)
    with path.open("ab") as file:
        file.write(b'not json\n{"t":1,"event":"dreamt"}\n{"t":1,"event":"trained","round":\xff}\n')
    log(tmp_path, 0, a_round(1))
    with path.open("ab") as file:
        file.write(b'{"t":1,"event":"rou')
    found = read_log(RunFolder(tmp_path), 0)
    assert [line.event for line in found.events] == [start(), a_round(0), a_round(1)]
    assert [str(each) for each in found.unread] == [
        "peer-0.jsonl, line 3: is no JSON",
        "peer-0.jsonl, line 4: holds the event `dreamt`",
        "peer-0.jsonl, line 5: is no JSON",
    ]
    assert [each.newer for each in found.unread] == [False, True, False]
    assert read_log(RunFolder(tmp_path), 7).events == ()


def test_a_log_that_grows_is_put_aside_and_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer with a flapping neighbour writes for weeks: the disk that it takes is bounded, and nothing recent goes."""
    monkeypatch.setattr(lines, "KEPT_LOGS", 3)
    folder = RunFolder(tmp_path)
    written = EventLog(folder.log(0), limit=2_000)
    written.claim()
    tail, followed = Tail(folder, 0), list[AnyEvent]()
    seldom, seen = Tail(folder, 0), list[AnyEvent]()
    said = [a_round(number) for number in range(60)]
    for each in said:
        written.write(each)
        if each.round % 3 == 0:
            followed += tail.events()
        if each.round % 13 == 0:
            seen += seldom.events()
    followed += tail.events()
    seen += seldom.events()
    with pytest.raises(PeerError, match="a running peer writes here"):
        EventLog(folder.log(0)).claim()
    written.close()
    numbers = [int(path.stem.rpartition(".")[2]) for path in folder.older_logs(0)]
    assert len(numbers) == 3 and numbers == list(range(numbers[0], numbers[0] + 3)) and numbers[0] > 3
    kept = [line.event for line in read_log(folder, 0).events]
    assert kept == said[-len(kept) :] and len(kept) >= 3 * 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * 2_600
    assert followed == seen == said, "who follows the log misses nothing, however many parts are put aside meanwhile"
    assert list(Tail(folder, 0).events()) == kept, "and who comes later has all that is kept"
    assert not list(tmp_path.glob(".*"))


def test_a_kill_between_the_two_names_of_a_log_that_is_put_aside_tells_nothing_twice(tmp_path: Path) -> None:
    folder, said = RunFolder(tmp_path), [a_round(number) for number in range(8)]
    written = EventLog(folder.log(0), limit=10**6)
    for each in said[:3]:
        written.write(each)
    tail = Tail(folder, 0)
    assert list(tail.events()) == said[:3]
    aside = folder.log(0).with_name("peer-0.1.jsonl")
    aside.hardlink_to(folder.log(0))
    assert [line.event for line in read_log(folder, 0).events] == said[:3] == list(Tail(folder, 0).events())
    again = EventLog(folder.log(0), limit=1)  # the next life, which puts it aside with its first line
    again.claim()
    for each in said[3:]:
        again.write(each)
    assert [line.event for line in read_log(folder, 0).events] == said == list(Tail(folder, 0).events())
    assert list(tail.events()) == said[3:] and [path.name for path in folder.older_logs(0)][:2] == [
        "peer-0.1.jsonl",
        "peer-0.2.jsonl",
    ]


def test_a_log_that_is_put_aside_while_it_is_read_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = RunFolder(tmp_path), [a_round(number) for number in range(3)]
    written = EventLog(folder.log(0), limit=10**6)
    written.write(said[0])
    listed, looks = RunFolder.older_logs, list[int]()

    def older_logs(self: RunFolder, peer: int) -> list[Path]:
        found = listed(self, peer)
        looks.append(peer)
        if len(looks) == 1:  # right after the parts were listed
            written._lines._limit = 1
            written.write(said[1])
        return found

    monkeypatch.setattr(RunFolder, "older_logs", older_logs)
    assert [line.event for line in read_log(folder, 0).events] == said[:2]


@pytest.mark.parametrize("ledger", [False, True])
def test_what_becomes_of_the_file_while_it_is_written_costs_no_line(tmp_path: Path, ledger: bool) -> None:
    """Somebody tidies up: `mv`, `rm`, an editor that saves, the whole folder under another name."""
    run = tmp_path / "run"
    path = RunFolder(run).log(0)
    written = Lines(path)
    if not ledger:
        written.claim()
    written.append("a")
    path.rename(run / "away")
    written.append("b")
    assert path.read_text() == "b\n" and (run / "away").read_text() == "a\n"
    path.unlink()
    written.append("c")
    assert path.read_text() == "b\nc\n" and path.stat().st_mode & 0o777 == 0o600
    (run / "saved").write_text("b\nc\nedited")
    (run / "saved").replace(path)
    written.append("d")
    assert path.read_text() == "b\nc\nedited\nd\n"
    os.truncate(path, 0)
    written.append("e")
    assert path.read_text() == "e\n"
    run.rename(tmp_path / "moved")
    written.append("f")
    assert (tmp_path / "moved" / path.name).read_text() == "e\nf\n" and not run.exists()
    (tmp_path / "moved").rename(run)
    if ledger:
        return
    path.unlink()
    other = Lines(path)
    other.claim()
    with pytest.raises(PeerError, match="another process has begun to write here"):
        written.append("g")
    other.append("h")
    assert path.read_text() == "h\n"
    assert sorted(each.name for each in run.iterdir()) == ["away", path.name]


def test_who_follows_a_log_that_is_removed_hears_each_line_once(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).log(0)
    written, tail = EventLog(path), Tail(RunFolder(tmp_path), 0)
    said = [a_round(number) for number in range(6)]
    for each in said[:3]:
        written.write(each)
    assert list(tail.events()) == said[:3]
    path.unlink()
    assert list(tail.events()) == []
    written.write(said[3])
    assert list(tail.events()) == said[3:4]
    path.unlink()
    written.write(said[4])
    path.unlink()  # twice between two looks
    written.write(said[5])
    assert list(tail.events()) == said[4:] and list(tail.events()) == []
    path.unlink()
    EventLog(path).write(said[0])  # another run's
    assert list(tail.events()) == said[:1]


def test_a_tail_reads_whole_lines_once(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).log(0)
    tail = Tail(RunFolder(tmp_path), 0)
    assert list(tail.events()) == []
    first, second = encode(0, trained(1.0)), encode(0, trained(2.0))
    path.write_text(first + "\n" + second[:20])
    assert list(tail.events()) == [trained(1.0)]
    with path.open("a") as file:
        file.write(second[20:] + "\nnot json\n" + encode(0, trained(3.0)) + "\n")
    assert list(tail.events()) == [trained(2.0), trained(3.0)]


def test_the_ledger_lists_what_left(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).ledger(2)
    sent = [Sent(1, "offer", 1000, 1060, round=3, sha256="ab"), Sent(1, "ping", 0, 54, count=2)]
    ledger = Ledger(path)
    for each in sent:
        ledger.write(each)
    ledger.close()
    with path.open("a") as file:
        file.write("torn\n" + sent_line(0, sent[0])[:-5])
    assert list(read_ledger(path)) == sent
    assert "null" not in path.read_text()
    assert list(read_ledger(tmp_path / "absent")) == []


def test_paths_of_peers_are_found_by_number(tmp_path: Path) -> None:
    for name in ("peer-10.jsonl", "peer-2.jsonl", "peer-2.1.jsonl", "peer-x.jsonl", "peer-².jsonl", "egress-1.jsonl"):
        (tmp_path / name).write_text("")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "peer-4.csv").write_text("")
    folder = RunFolder(tmp_path)
    assert list(folder.log.all()) == [2, 10] and folder.shard.all() == {4: tmp_path / "shards" / "peer-4.csv"}
    assert RunFolder(tmp_path / "absent").log.all() == {}


def test_the_page_of_the_run_folder_says_what_is_declared() -> None:
    for page, expected in (("run-folder.md", declarations()), ("exit-codes.md", exit_codes())):
        text = (DOCS / page).read_text(encoding="utf-8")
        made = text[text.index(BEGIN) : text.index(END) + len(END)]
        assert made == expected, "run scripts/run_folder_docs.py"


def test_the_unit_file_repeats_what_may_end_otherwise_next_time() -> None:
    text = (DOCS / "deploy.md").read_text(encoding="utf-8")
    listed = re.search(r"^RestartPreventExitStatus=(.*)$", text, re.M)
    assert listed is not None
    again = {Exit.DONE, Exit.FAILED, Exit.CANNOT_GO_ON, Exit.BUG}  # done is no failure, so nothing is repeated
    assert {Exit(int(code)) for code in listed[1].split()} == set(Exit) - again


def test_an_event_without_words_or_with_a_name_twice_is_no_declaration() -> None:
    assert set(get_args(AnyEvent)) == set(REGISTRY.values()), "readers match over all that is declared"
    for kind in REGISTRY.values():
        assert kind.__doc__ and described(kind)
    with pytest.raises(ValueError, match="two events are called round"):

        @event("round")
        class Again(Event):
            """Once more."""
