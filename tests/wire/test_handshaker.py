"""Two ends that shake hands, frame by frame, without a network: who comes in, who is told what, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from p2pfl_me.wire.admission import CHALLENGE
from p2pfl_me.wire.apart import COMPARE, CUT, ENDED, GRACE_S, TOLD_BOTH, TOLD_IT, TOLD_US, UNTOLD, Apart
from p2pfl_me.wire.complaints import (
    BY_ANOTHER_KEY,
    HUNG_UP,
    NO_KEY,
    NO_PEER,
    NOT_CALLED,
    NOT_THERE,
    REVOKED,
    TURNED_AWAY,
    TURNED_AWAY_THERE,
)
from p2pfl_me.wire.endpoint import AsStated, Endpoint, Meeting
from p2pfl_me.wire.handshake import Terms, contracts_differ, greeting
from p2pfl_me.wire.handshake_stages import NEWS_RECORD, NEWS_S, AtRelay, Call, Dialled, is_overdue
from p2pfl_me.wire.handshaker import UNKNOWNS, Handshaker
from p2pfl_me.wire.identity import Identity, new_identity
from p2pfl_me.wire.meeting import ABSENT, MEET, MET
from p2pfl_me.wire.neighbour import Neighbour, Tried
from p2pfl_me.wire.session import STANDING, Session
from p2pfl_me.wire.station import Outcome
from p2pfl_me.wire.unknown import ANSWER, UNKNOWN
from tests.wire.spies import SCHEMA, SimpleNamespaceHashed, Spy

KEYS = [new_identity() for _ in range(3)]


class Trusting(AsStated):
    """Believes what it is told to believe."""

    def __init__(self) -> None:
        self.changed, self.trouble, self.known = False, "", dict[bytes, tuple[bytes, ...]]()

    def look(self) -> bool:
        return self.changed

    def good(self, stated: bytes) -> tuple[bytes, ...]:
        return self.known.get(stated, (stated,))


class End:
    """One peer with one neighbour, and all that it has sent."""

    def __init__(self, me: int, other: int, **changes: Any) -> None:
        model = changes.pop("model", b"m") * 32
        self.terms = replace(Terms(me, KEYS[me], model, {"model": model}), **changes.pop("terms", {}))
        endpoint = Endpoint(other, f"tcp://lab{other}:1", changes.pop("key", KEYS[other].public), **changes)
        self.neighbour = Neighbour(endpoint, Session(me, other, None, SCHEMA))
        self.events, self.traffic, self.trust = Spy(), Spy(frame_sent=lambda peer, size: size), Trusting()
        self.sent: list[bytes] = []
        self.outcome = Outcome.SENT
        self.it = Handshaker(
            self.terms,
            {other: self.neighbour},
            self.events,
            self.traffic,
            self.send,
            self.trust,  # type: ignore[arg-type]
        )
        self.connection = connection()
        self.events.answers["hang_up"] = lambda each, *why: self.it.forget(each)

    def send(self, connection: Any, frame: bytes | memoryview) -> Outcome:
        self.sent.append(bytes(frame))
        return self.outcome

    def hear(self, frame: bytes, now: float = 1.0) -> None:
        self.it.on_frame(self.connection, memoryview(frame), now)

    def said(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.events.calls if call[0] == name]


def connection() -> Any:
    reader = SimpleNamespace(most=0, lengths=None)
    return SimpleNamespaceHashed(host="10.0.0.7", connecting=False, heard_at=0.0, reader=reader, lengths=None)


def call(caller: End, called: End, steps: int = 9, now: float = 1.0) -> None:
    """The caller dials, and frames pass until nobody says more, or so many have passed."""
    caller.it.on_dialling(caller.connection, caller.neighbour, 0.0)
    called.it.on_call(called.connection, 0.0)
    for _ in range(steps):
        for one, other in ((called, caller), (caller, called)):
            if one.sent:
                other.hear(one.sent.pop(0), now)
                break
        else:
            return


def test_two_that_agree_are_linked_and_every_frame_is_counted() -> None:
    low, high = End(0, 1), End(1, 0)
    call(low, high)
    for end, met in ((low, None), (high, "replace")):
        ((neighbour, linked, standing, _),) = end.said("up")
        assert (
            neighbour is end.neighbour and linked is end.connection and neighbour.key == KEYS[1 - end.terms.me].public
        )
        assert standing.mine != bytes(8) and standing.messages == 0
        assert [name for name in end.events.names() if name != "up"] == ([met] if met else [])
        assert end.it.dialled(end.connection) is None and not end.it._under_way and not end.it.waiting._waiting
        assert end.traffic.names() == (
            ["frame_sent", "frame_received", "frame_sent", "ping_sent", "frame_received"]
            if end is low
            else ["frame_sent", "frame_received", "frame_sent", "ping_sent"]
        )
        assert end.connection.reader.most == 256 and end.connection.lengths is not None
    assert low.said("up")[0][3].sealer.seal(99, b"x") is not None
    assert high.said("replace")[0][0] is high.neighbour


def test_a_frame_of_nobody_says_nothing() -> None:
    end = End(0, 1)
    end.hear(b"anything")
    assert end.events.calls == [] and end.sent == []


def test_who_differs_is_told_where_and_hung_up_on() -> None:
    low, high = End(0, 1), End(1, 0, model=b"o")
    call(low, high)
    for end in (low, high):
        ((neighbour, words),) = end.said("complain")
        assert neighbour is end.neighbour and "model" in words and not end.said("up")
        assert end.said("differs") == [(end.neighbour, ("by_key", False))]
    assert low.said("hang_up") == [(low.connection,)] and high.said("hang_up") == []


@pytest.mark.parametrize(("differs", "former"), [(True, False), (False, True), (True, True), (False, False)])
def test_whose_number_another_contract_changed_is_told_so_and_no_stranger(differs: bool, former: bool) -> None:
    low, high = End(0, 1, terms={"me": 5}, model=b"x" if differs else b"m", dialled=True), End(1, 0)
    high.neighbour.is_former = former
    call(low, high)
    known = not differs and not former
    assert any("peer 0 calls as peer 5, which" in words for (words,) in high.said("stranger")) is known
    assert bool(high.said("complain")) is differs and not high.said("up")
    assert high.neighbour.quarantined is (former and not differs) and low.neighbour.quarantined is False


def test_two_with_news_tell_each_other_and_the_caller_hangs_up() -> None:
    low = End(0, 1, terms={"news": b"news of 0"})
    high = End(1, 0, model=b"o", terms={"news": b"news of 1"})
    call(low, high)
    assert [args[1:] for args in low.said("news")] == [(b"news of 1", ("model",))]
    assert [args[1:] for args in high.said("news")] == [(b"news of 0", ("model",))]
    assert low.said("hang_up") == [(low.connection,)]
    assert low.neighbour.apart.is_told(1.0) and not high.neighbour.apart.is_told(1.0), "who is called always tells"
    assert low.connection.reader.most == NEWS_RECORD == high.connection.reader.most
    assert not low.said("complain") and not high.said("complain") and not low.said("up")
    assert not low.said("differs") and not high.said("differs"), "it can be mended, by what they tell each other"
    low.connection, high.connection = connection(), connection()
    call(low, high)
    assert [args[1] for args in high.said("news")] == [b"news of 0", b""], "who was told is not told again"


@pytest.mark.parametrize(
    ("news", "words", "stopping"),
    [
        ((b"news of 0", b""), (TOLD_IT, TOLD_US), (False, True)),
        ((b"", b"news of 1"), (TOLD_US, TOLD_IT), (True, False)),
        ((b"news of 0", b"news of 1"), (TOLD_BOTH, TOLD_BOTH), (True, True)),
    ],
)
def test_who_has_been_told_and_stays_behind_is_named_after_its_time_by_both_until_it_follows(
    news: tuple[bytes, bytes], words: tuple[str, str], stopping: tuple[bool, bool]
) -> None:
    """It was silent at both, for ever; only who is behind may have to stop for it."""
    low, high = End(0, 1, terms={"news": news[0]}), End(1, 0, model=b"o", terms={"news": news[1]})
    for now in (1.0, GRACE_S, 1.0 + GRACE_S):
        for end in (low, high):
            assert not end.said("complain") and not end.said("differs"), "a moment of a change, for all that is known"
        low.connection, high.connection = connection(), connection()
        call(low, high, now=now)
    for end, why, stops in zip((low, high), words, stopping, strict=True):
        assert end.said("complain") == [(end.neighbour, contracts_differ(end.neighbour.peer, ["model"], why))]
        assert end.said("differs") == [(end.neighbour, ("by_key", False))] * stops
    assert [told for _, told, _ in high.said("news")] == [news[0], b"", news[0]], "it may have begun anew since"
    low.connection, high.connection = connection(), connection()
    same = End(1, 0)
    call(low, same, now=200.0)
    assert low.neighbour.apart == Apart(), "they are linked: what was is over"


@pytest.mark.parametrize("telling", [0, 1])
def test_where_one_tells_nothing_both_hear_of_two_contracts_and_nobody_of_a_stranger(telling: int) -> None:
    """The contract of one says nothing of changes. The other waited for its news, or blamed its key."""
    differing = "peers"
    low, high = (End(k, 1 - k, terms={"news": b"" if k == telling else None}) for k in (0, 1))
    high.it._terms = replace(high.terms, prologue=b"o" * 32, sections={**high.terms.sections, differing: b"o" * 32})
    for calls in (1, 2):
        low.connection, high.connection = connection(), connection()
        call(low, high)
        for one, other in ((low, high), (high, low)):
            if one.said("hang_up")[-1:] == [(one.connection,)]:
                assert other.it.on_closed(other.connection, "reset") == ""
        for k, end in enumerate((low, high)):
            why = [ENDED, UNTOLD] if k == telling else [COMPARE, COMPARE]
            said = [contracts_differ(end.neighbour.peer, [differing], each) for each in why[:calls]]
            assert end.said("complain") == [(end.neighbour, each) for each in said], "at once: the other may end for it"
            assert len(end.said("differs")) == (calls - 1 if k == telling else calls) and not end.said("stranger")


@pytest.mark.parametrize("side", [0, 1])
def test_a_line_that_is_cut_while_a_change_is_told_accuses_nobody(side: int) -> None:
    """It was called another contract at the first cut, whose files were to be compared; nothing but a cut it can be
    where both contracts know of changes, or the neighbour has told of one before."""
    low, high = (End(k, 1 - k, model=b"mo"[k : k + 1], terms={"news": b"news"}) for k in (0, 1))
    end = (low, high)[side]
    for _ in range(3):
        low.connection, high.connection = connection(), connection()
        call(low, high, steps=3)
        low.sent.clear()
        assert end.it.on_closed(end.connection, "reset") == ""
    assert end.said("complain") == [(end.neighbour, contracts_differ(1 - side, ["model"], CUT))] * 3
    assert not end.said("differs") and "compare" not in CUT


def test_who_has_once_told_even_that_nothing_has_changed_knows_of_changes() -> None:
    apart = Apart()
    assert [apart.cut(["peers"]) for _ in range(3)] == [ENDED, UNTOLD, UNTOLD]
    apart.met(1.0, told=False, tells=True)
    assert [apart.cut(["peers"]) for _ in range(2)] == [CUT, CUT]


def test_two_of_two_contracts_are_not_linked_whatever_is_said_after_the_news() -> None:
    low, high = (End(k, 1 - k, model=b"mo"[k : k + 1], terms={"news": b"news"}) for k in (0, 1))
    call(low, high, steps=4)
    seals, kept = low.it._under_way[low.connection].seals, low.connection  # type: ignore[union-attr]
    assert seals
    high.sent.clear()
    high.hear(seals.sealer.seal(STANDING, low.neighbour.session.standing()))
    assert not high.said("up") and high.said("hang_up") == [(high.connection,)] and low.connection is kept


@pytest.mark.parametrize("told", ["neither", "low", "high"])
def test_two_that_may_change_and_have_nothing_to_tell_are_no_less_two_contracts(told: str) -> None:
    """Neither has come of another: it had been told by nobody that they differ."""
    low = End(0, 1, terms={"news": b"news of 0" if told == "low" else b""})
    high = End(1, 0, model=b"o", terms={"news": b"news of 1" if told == "high" else b""})
    call(low, high)
    for end in (low, high):
        assert end.said("differs") == ([(end.neighbour, ("by_key", False))] if told == "neither" else [])
        assert [("model" in words) for _, words in end.said("complain")] == ([True] if told == "neither" else [])
    low.connection, high.connection = connection(), connection()
    call(low, high)
    assert [args[1] for args in high.said("news")][-1:] == [b""], "who calls tells once"
    assert len(high.said("differs")) == 2 * (told == "neither")


def test_a_neighbour_of_the_contract_before_is_told_once_and_never_linked() -> None:
    for former, steps in ((0, "caller"), (1, "called")):
        low, high = End(0, 1), End(1, 0)
        (low, high)[former].neighbour.is_former = True
        call(low, high)
        end = (low, high)[former]
        assert end.neighbour.quarantined and not end.said("up"), steps
        assert end.said("hang_up") == [(end.connection,)]


def test_strangers_and_those_who_call_as_another_come_to_nothing() -> None:
    stranger, end = End(0, 1), End(1, 0, key=KEYS[2].public)
    call(stranger, end)
    assert end.said("stranger") == [("a key outside the allow list, or made for another key than ours, from 10.0.0.7",)]
    assert not end.said("hang_up") and not end.traffic.calls
    assert end.it.on_closed(end.connection, "reset") == "" and len(end.said("stranger")) == 1
    wrong, high = End(0, 1, terms={"me": 5}, dialled=True), End(1, 0)
    call(wrong, high)
    assert high.said("stranger") == [("peer 0 calls as peer 5, which it should not, from 10.0.0.7",)]
    wrong, low = End(1, 0, dialled=True), End(0, 1)
    call(wrong, low)
    assert low.said("hang_up") == [(low.connection,)] and not low.said("up"), "whose call it is, is settled"


def test_who_is_asked_answers_with_a_handshake_and_never_a_link() -> None:
    high, low = End(1, 0), End(0, 1)
    call(high, low)
    assert high.said("hang_up") == [(high.connection, NOT_CALLED)], "and it is known why nothing came of it"
    assert high.events.names() == ["agrees", "hang_up"] and low.events.calls == [("agrees", low.neighbour)]


@pytest.mark.parametrize("by_key", [True, False])
def test_who_is_asked_says_whether_it_has_another_key_or_contract(by_key: bool) -> None:
    high, low = End(1, 0), End(0, 1, **({"key": KEYS[2].public} if by_key else {"model": b"o"}))
    call(high, low)
    assert high.said("differs") == [(high.neighbour, ("by_key", by_key))]
    assert high.said("hang_up") == [(high.connection,)] and bool(low.said("differs")) != by_key
    assert not high.said("agrees") + low.said("agrees")


@pytest.mark.parametrize("kind", ["news", "asks", "links"])
def test_of_one_neighbour_that_calls_again_and_again_the_newest_call_is_kept_alone(kind: str) -> None:
    """One with another contract held all places of the waiting room, each with two megabytes of news that never ended;
    one that asked, and did not hang up, twenty."""
    news, model = (b"news", b"o") if kind == "news" else (None, b"m")
    low, high = End(0, 1, dialled=kind != "asks"), End(1, 0, dialled=kind == "asks", model=model, terms={"news": news})
    calls = []
    for _ in range(4):
        low.connection, high.connection = connection(), connection()
        calls.append(high.connection)
        call(low, high, steps=3)
        low.sent.clear()
    assert high.said("hang_up") == [(each,) for each in calls[:-1]] and [*high.it._under_way] == calls[-1:]


def test_who_is_asked_and_tells_of_changes_is_told_of_them_at_each_of_its_own_calls() -> None:
    """Since it had been asked a moment ago, one that had begun anew since was told nothing for a minute."""
    low, high = End(0, 1, terms={"news": b""}), End(1, 0, model=b"o", terms={"news": b"news of 1"})
    call(high, low)
    assert [told for _, told, _ in low.said("news")] == [b"news of 1"] and high.neighbour.apart.is_told(1.0)
    anew, high.connection = End(0, 1, terms={"news": b""}), connection()
    call(anew, high)
    assert [told for _, told, _ in anew.said("news")] == [b"news of 1"] and not anew.said("complain")


def test_a_neighbour_of_the_contract_before_cannot_say_that_its_follower_refuses() -> None:
    """Whoever has stolen a key that a change has replaced answers at the old address, under the number that the honest
    one with the new key has."""
    high, thief = End(1, 0, dialled=True), End(0, 1, key=KEYS[2].public, dialled=False)
    high.neighbour.is_former = True
    call(high, thief)
    assert [why for _, why in high.said("complain")] == [f"peer 0 at tcp://lab0:1 {BY_ANOTHER_KEY}"]
    assert not high.said("differs") and not high.said("agrees")
    former, honest = End(0, 1, dialled=True), End(1, 0, dialled=False)
    honest.neighbour.is_former = True
    honest.neighbour.endpoint = replace(honest.neighbour.endpoint, dialled=True)
    call(former, honest)
    assert not honest.said("agrees") and honest.neighbour.quarantined


def test_a_key_that_is_known_again_counts_no_more_among_those_that_are_not() -> None:
    high, low = End(1, 0), End(0, 1)
    high.neighbour.tried.unknown.add(KEYS[2].public)
    high.neighbour.tried.elsewhere.add(KEYS[2].public)
    call(high, low)
    assert high.neighbour.tried == Tried(begun=1)


CALLED = "peer 1 at tcp://lab1:1"


@pytest.mark.parametrize("news", [None, b"news"])
def test_whose_key_is_not_known_is_told_so_by_the_neighbour_itself(news: bytes | None) -> None:
    low, high = End(0, 1, terms={"news": news}), End(1, 0, key=KEYS[2].public)
    call(low, high)
    assert low.said("complain") == [(low.neighbour, f"{CALLED} {BY_ANOTHER_KEY}")]
    assert low.said("hang_up") == [(low.connection,)] and not low.said("stranger")
    assert low.said("differs") == [(low.neighbour, ("by_key", True))], "its owner knows what may change on the way"
    assert not high.said("differs") and not high.said("complain"), "and who says it learns nothing"


@pytest.mark.parametrize("news", [None, b"news"])
def test_a_neighbour_that_calls_another_key_than_ours_says_who_it_is(news: bytes | None) -> None:
    low, high = End(0, 1, key=KEYS[2].public), End(1, 0, terms={"news": news})
    call(low, high)
    assert low.said("complain") == [(low.neighbour, f"{CALLED} {TURNED_AWAY}")] and not low.said("differs")
    assert high.said("complain") == [(high.neighbour, f"peer 0 at tcp://lab0:1 {BY_ANOTHER_KEY}")]
    assert high.said("hang_up") == [(high.connection,)]
    assert high.said("differs") == [(high.neighbour, ("by_key", True))]


def keys(end: End, mine: list[Identity], theirs: list[Identity]) -> None:
    """Let an end go by several keys, and know its neighbour by several."""
    end.it._terms = end.terms = replace(end.terms, identity=mine[0], earlier=tuple(mine[1:]), stated=mine[0].public)
    stated = end.neighbour.endpoint.public_key
    end.trust.known = {
        mine[0].public: tuple(each.public for each in mine),
        stated: tuple(each.public for each in theirs),
    }
    end.trust.changed = True
    end.it.look()


def calls(caller: End, called: End, count: int) -> list[int]:
    """So many calls one after the other, as a dialler makes them; how often each end had been refused after each."""
    told = []
    for failures in range(count):
        caller.neighbour.failures = failures
        caller.connection, called.connection = connection(), connection()
        call(caller, called)
        told.append((len(caller.said("differs")), len(called.said("differs"))))
    return told


def test_who_goes_by_two_keys_is_refused_once_neither_is_known() -> None:
    """One of them might have been. Each is said to be unknown under a key of the neighbour's own."""
    low, high = End(0, 1), End(1, 0, key=KEYS[2].public)
    keys(low, [KEYS[0], new_identity()], [KEYS[1]])
    assert calls(low, high, 3) == [(0, 0), (1, 0), (2, 0)]
    assert low.said("complain")[0] == (low.neighbour, f"{CALLED} {BY_ANOTHER_KEY}")
    low, high = End(0, 1), End(1, 0, key=KEYS[2].public)
    keys(low, [KEYS[0], KEYS[2]], [KEYS[1]])
    assert calls(low, high, 2) == [(0, 0), (0, 0)] and low.said("up"), "it is known by the other"


def test_who_knows_two_keys_of_a_neighbour_is_refused_under_the_one_that_it_has() -> None:
    low, high = End(0, 1), End(1, 0, key=KEYS[2].public)
    keys(low, [KEYS[0]], [new_identity(), KEYS[1]])
    assert calls(low, high, 2) == [(0, 0), (1, 0)]
    assert low.said("hang_up") == [(low.connection,)], "the other call waited for a word from whoever is there"
    assert [words for _, words in low.said("complain")] == [f"{CALLED} {BY_ANOTHER_KEY}"]


def test_a_listener_of_two_keys_says_under_both_whom_it_does_not_know() -> None:
    low, high = End(0, 1), End(1, 0, key=KEYS[2].public)
    keys(high, [new_identity(), KEYS[1]], [KEYS[2]])
    assert calls(low, high, 1) == [(1, 0)]


@pytest.mark.parametrize("known", ["neither", "one"])
def test_who_is_called_by_two_keys_is_refused_if_neither_is_its_own(known: str) -> None:
    """The caller names all keys by which it would know it, so that no one on the line can let it see one alone."""
    low, high = End(0, 1, key=KEYS[2].public), End(1, 0)
    keys(low, [KEYS[0]], [new_identity(), KEYS[1] if known == "one" else new_identity()])
    assert calls(low, high, 1) == [(0, known == "neither")]
    assert not low.said("complain"), "not before it has tried both"
    assert calls(low, high, 1)[-1][0] == 0
    assert bool(high.said("up")) is (known == "one")
    assert [words for _, words in low.said("complain")] == ([] if known == "one" else [f"{CALLED} {TURNED_AWAY}"])


def test_that_whoever_answers_for_it_hangs_up_is_no_other_complaint() -> None:
    low, high = End(0, 1, key=KEYS[2].public), End(1, 0)
    for _ in range(4):
        low.connection, high.connection = connection(), connection()
        call(low, high)
        low.it.on_closed(low.connection, "closed by the other end")
    assert {words for _, words in low.said("complain")} == {f"{CALLED} {TURNED_AWAY}"}


def test_what_keys_came_to_counts_no_more_once_others_are_good() -> None:
    low, high = End(0, 1), End(1, 0, key=KEYS[2].public)
    mine = [KEYS[0], new_identity()]
    keys(low, mine, [KEYS[1]])
    calls(low, high, 1)
    keys(low, mine, [KEYS[1]])
    low.neighbour.failures, low.connection, high.connection = 1, connection(), connection()
    call(low, high)
    assert not low.said("differs"), "the first one may be known by now"


@pytest.mark.parametrize("at", [0, 1, 40, 64])
@pytest.mark.parametrize("kind", [UNKNOWN, ANSWER])
def test_whoever_is_on_the_line_convinces_nobody_that_a_key_is_not_known(kind: int, at: int) -> None:
    """A bit is flipped in what was said: in the HELLO of two that know each other, or in what follows it."""
    low, high = End(0, 1, key=KEYS[1 if kind == UNKNOWN else 2].public), End(1, 0)
    low.it.on_dialling(low.connection, low.neighbour, 0.0)
    high.it.on_call(high.connection, 0.0)
    low.hear(high.sent.pop())
    said = low.sent.pop()
    if kind == UNKNOWN:
        high.hear(said[: 1 + at] + bytes([said[1 + at] ^ 1]) + said[2 + at :])
    else:
        high.hear(said)
        low.hear(high.sent.pop())
        (answered,) = low.sent
        high.hear(answered[: at % 33] + bytes([answered[at % 33] ^ 1]) + answered[at % 33 + 1 :])
    for frame in high.sent:
        low.hear(frame)
    for frame in low.sent if kind == UNKNOWN else ():
        high.hear(frame)
    assert not low.said("differs") and not high.said("differs")


def test_what_was_said_on_another_call_convinces_nobody() -> None:
    high = End(1, 0)
    answers = []
    for _ in range(2):
        low, high.connection = End(0, 1, key=KEYS[2].public), connection()
        call(low, high, steps=3)
        answers += low.sent
    high.hear(answers[0])
    assert not high.said("differs") and high.said("hang_up") == [(high.connection,)]
    frames = []
    for _ in range(2):
        low, high = End(0, 1), End(1, 0, key=KEYS[2].public)
        call(low, high, steps=2)
        frames += high.sent
    low.hear(frames[0])
    assert not low.said("differs"), "the neighbour's own words, to another HELLO"


def test_no_more_strangers_are_told_than_a_second_allows_and_one_without_a_key_is_not() -> None:
    high = End(1, 0)
    for each in range(int(UNKNOWNS[1]) + 3):
        stranger = End(0, 1, key=KEYS[2].public)
        high.connection = connection()
        high.sent.clear()
        call(stranger, high, steps=2)
        assert bool(high.sent) is (each < UNKNOWNS[1]), each
    assert len(high.said("hang_up")) == 3
    end = End(1, 0)
    end.it.on_call(end.connection, 0.0)
    end.sent.clear()
    end.hear(b"\x01" + bytes(200))
    assert not end.sent and end.said("hang_up") == [(end.connection,)] and len(end.said("stranger")) == 1


@pytest.mark.parametrize("why", ["quarantined", "too often"])
def test_who_may_not_come_in_now_is_hung_up_on_without_a_word(why: str) -> None:
    low, high = End(0, 1), End(1, 0)
    high.neighbour.quarantined = why == "quarantined"
    if why == "too often":
        while high.neighbour.handshakes.take(1.0):
            pass
    call(low, high)
    assert high.events.calls == [("hang_up", high.connection)] and not high.sent and not high.said("stranger")


def test_of_two_calls_of_one_neighbour_the_newest_goes_on() -> None:
    low, high = End(0, 1), End(1, 0)
    call(low, high, steps=2)  # greeting and hello; the reply is on its way
    first = high.connection
    assert high.it._under_way[first].neighbour is high.neighbour
    low.sent.clear()
    high.sent.clear()
    low.connection, high.connection = connection(), connection()
    call(low, high)
    assert high.said("hang_up") == [(first,)] and [args[1] for args in high.said("up")] == [high.connection]


def test_a_reply_that_could_not_be_sent_leaves_nothing_begun() -> None:
    low, high = End(0, 1), End(1, 0)
    low.it.on_dialling(low.connection, low.neighbour, 0.0)
    high.it.on_call(high.connection, 0.0)
    low.hear(high.sent.pop())
    high.outcome = Outcome.GONE
    high.hear(low.sent.pop())
    assert not high.traffic.calls and high.it.dialled(high.connection) is None
    low.outcome, low.connection = Outcome.GONE, connection()
    low.traffic.calls.clear()
    high.outcome = Outcome.SENT
    low.it.on_dialling(low.connection, low.neighbour, 0.0)
    high.it.on_call(connection(), 0.0)
    low.hear(high.sent.pop())
    assert not low.traffic.calls, "what did not leave is not counted"


@pytest.mark.parametrize(
    ("cut", "greeted", "connecting", "said"),
    [(0, False, False, ""), (1, False, False, NO_PEER), (1, True, False, HUNG_UP), (1, False, True, "")],
)
def test_why_a_call_was_closed_is_told_from_the_second_time_on(
    cut: int, greeted: bool, connecting: bool, said: str
) -> None:
    low, high = End(0, 1), End(1, 0)
    low.neighbour.cut, low.connection.connecting = cut, connecting
    low.neighbour.failures = 7  # nobody listened there: one that begins listens for a moment, to see that it can
    low.it.on_dialling(low.connection, low.neighbour, 0.0)
    high.it.on_call(high.connection, 0.0)
    if greeted:
        low.hear(high.sent.pop())
    assert low.it.on_closed(low.connection, "reset") == ""
    assert [words for _, words in low.said("complain")] == ([f"peer 1 at tcp://lab1:1 {said}"] if said else [])
    assert low.neighbour.cut == (0 if connecting else cut + 1)
    assert high.it.on_closed(high.connection, "reset") == ""
    assert high.said("stranger") == [("a connection from 10.0.0.7 that ended before its handshake (reset)",)]
    assert low.it.on_closed(connection(), "reset") == "" and len(low.said("stranger")) == 0


@pytest.mark.parametrize(
    ("failures", "connecting", "asked", "absent", "said", "why"),
    [
        (0, False, False, False, "", ""),
        (1, True, False, False, "", ""),
        (0, True, False, False, "", ""),
        (1, False, False, False, NO_PEER, ""),
        (1, False, True, False, TURNED_AWAY_THERE, ""),
        (1, False, True, True, "", NOT_THERE),
    ],
)
def test_why_a_relay_closed_a_call_is_told_from_the_second_time_on(
    failures: int, connecting: bool, asked: bool, absent: bool, said: str, why: str
) -> None:
    relay = Meeting("tcp://relay:1", KEYS[2].public)
    low = End(0, 1, relays=(relay,))
    low.neighbour.failures, low.connection.connecting = failures, connecting
    low.it.on_dialling(low.connection, low.neighbour, 0.0)
    stage = low.it._under_way[low.connection]
    assert isinstance(stage, AtRelay)
    stage.asked, stage.absent = asked, absent
    assert low.it.on_closed(low.connection, "reset") == why
    where = low.neighbour.where(0)
    assert [words for _, words in low.said("complain")] == ([f"peer 1 at {where} {said}"] if said else [])
    assert not low.said("stranger")


def test_words_that_are_no_greeting_are_said_of_who_was_called() -> None:
    low = End(0, 1)
    low.it.on_dialling(low.connection, low.neighbour, 0.0)
    low.hear(b"HTTP/1.1 400 Bad Request")
    ((_, words),) = low.said("complain")
    assert words.startswith(f"peer 1 at tcp://lab1:1 {NO_PEER} (") and low.said("hang_up") == [(low.connection,)]
    assert not low.said("stranger")


def test_a_connection_has_ten_seconds_and_one_caller_too_many_costs_the_oldest() -> None:
    high = End(1, 0)
    high.it.waiting.most = 2
    callers = [connection() for _ in range(3)]
    for since, each in enumerate(callers):
        high.it.on_call(each, float(since))
    assert high.said("hang_up") == [(callers[0],)]
    assert high.it.overdue(11.0) == [] and high.it.overdue(11.1) == [callers[1]] and len(high.it.overdue(12.1)) == 2
    assert high.it.forget(callers[1]) is not None and high.it.forget(callers[1]) is None
    assert high.it.overdue(99.0) == [callers[2]]


def test_who_meets_another_at_a_relay_has_the_time_that_the_relay_waits_beside() -> None:
    end = End(0, 1)
    at_relay = AtRelay(0.0, end.neighbour, Meeting("tcp://relay:1", bytes(32)))
    for stage, most in ((Call(0.0, b""), 10.0), (Dialled(0.0, end.neighbour), 10.0), (at_relay, 20.0)):
        assert not is_overdue(stage, 0.0, most) and is_overdue(stage, 0.0, most + 0.1)


def test_news_that_is_long_has_the_time_that_a_thin_line_takes() -> None:
    """Members' approvals of many changes are 2 MiB at most, and a line of 64 kbit/s takes four minutes for them: the
    connection was ended after ten seconds, each time anew, and no change came over it."""
    low = End(0, 1, terms={"news": bytes(800_000)})
    high = End(1, 0, model=b"o", terms={"news": b"short"})
    call(low, high, steps=4)
    for end, most in ((low, 110.0), (high, 11.0)):
        end.connection.heard_at = 50.0  # a byte of the other's, or of the answer to ours
        assert end.it.overdue(50.0 + most) == [], end.terms.me
        assert end.it.overdue(50.1 + most) == [end.connection]
    low.connection.heard_at = 0.0
    assert low.it.overdue(110.0) == [] and low.it.overdue(110.1) == [low.connection], "and nobody for ever"
    high.connection.heard_at = 5000.0
    assert high.it.overdue(11.0 + NEWS_S) == [] and high.it.overdue(11.1 + NEWS_S) == [high.connection], (
        "also one of whom a byte comes now and then"
    )


def test_without_a_key_nobody_is_called() -> None:
    end = End(0, 1)
    assert end.it.can_dial(end.neighbour) and not end.events.calls
    end.trust.changed, end.trust.known[KEYS[1].public] = True, ()
    assert end.it.look() == [] and not end.it.can_dial(end.neighbour)
    assert end.said("complain") == [(end.neighbour, f"peer 1: {REVOKED}")]
    bad = End(0, 1, key=bytes(32))
    assert not bad.it.can_dial(bad.neighbour) and bad.said("complain") == [(bad.neighbour, f"peer 1: {NO_KEY}")]


def test_who_rests_on_a_key_that_is_good_no_more_is_named_and_handshakes_on_it_end() -> None:
    low, high = End(0, 1), End(1, 0)
    call(low, high, steps=2)
    for end in (low, high):
        assert end.it.look() == [] and not end.events.calls, "nothing has changed"
    high.neighbour.connection, high.neighbour.key = connection(), KEYS[0].public
    high.trust.changed, high.trust.trouble = True, "the file is gone"
    assert high.it.look() == [] and high.said("stranger") == [("keys go on as they were known: the file is gone",)]
    high.trust.trouble, high.trust.known[KEYS[0].public] = "", (KEYS[2].public,)
    assert high.it.look() == [high.neighbour] and high.said("hang_up") == [(high.connection,)]
    high.neighbour.connection = None
    assert high.it.look() == [] and len(high.said("stranger")) == 1


def test_handshakes_on_keys_that_are_still_good_go_on_when_others_change() -> None:
    low, high, other = End(0, 1), End(1, 0), End(1, 0, relays=(Meeting("tcp://relay:1", KEYS[2].public),))
    call(low, high, steps=2)
    high.it.on_call(connection(), 0.0)
    other.it.on_dialling(other.connection, other.neighbour, 0.0)
    for end in (low, high, other):
        end.trust.changed = True
        assert end.it.look() == [] and not end.said("hang_up")


def test_which_of_two_keys_a_neighbour_runs_with_is_tried_by_turns() -> None:
    new: Identity = KEYS[2]
    low = End(0, 1)
    low.trust.changed, low.trust.known[KEYS[1].public] = True, (new.public, KEYS[1].public)
    low.it.look()
    found = []
    low.neighbour.failures = 7  # calls that nobody took
    for _ in range(3):
        high = End(1, 0)
        low.connection = connection()
        low.it.on_dialling(low.connection, low.neighbour, 0.0)
        high.it.on_call(high.connection, 0.0)
        low.hear(high.sent.pop())
        found.append(low.it._under_way[low.connection].key)  # type: ignore[union-attr]
    assert found == [new.public, KEYS[1].public, new.public]
    high = End(1, 0)
    low.connection = connection()
    low.sent.clear()
    call(low, high)
    assert low.said("up") and low.neighbour.tried.begun == 0, "the next link begins with the newest again"


def test_a_first_record_that_cannot_be_opened_is_nobodys_fault_and_ends_the_connection() -> None:
    low, high = End(0, 1), End(1, 0)
    call(low, high, steps=3)
    (record,) = low.sent
    high.hear(record[:-1] + bytes([record[-1] ^ 1]))
    assert not high.said("up") and high.said("hang_up") == [(high.connection,)] and len(high.said("stranger")) == 1


RELAY = Meeting("tcp://relay:1", KEYS[2].public)


def asked(me: int, **changes: Any) -> End:
    """One that calls the relay to meet its neighbour, and has heard its greeting."""
    end = End(me, 1 - me, relays=(RELAY,), **changes)
    end.it.on_dialling(end.connection, end.neighbour, 0.0)
    return end


def test_two_that_meet_at_a_relay_shake_hands_as_if_one_had_called_the_other() -> None:
    low, high = asked(0), asked(1)
    for end in (low, high):
        end.hear(greeting(bytes(CHALLENGE)))
        (meet,) = end.sent
        assert meet[0] == MEET and end.traffic.calls == [("frame_sent", 1 - end.terms.me, len(meet))]
        end.sent.clear()
        end.neighbour.failures = 3
        end.hear(bytes([ABSENT]))
        assert end.neighbour.unreachable == f"the relay tcp://relay:1: {NOT_THERE}" and end.neighbour.failures == 0
        assert end.it.on_closed(end.connection, "over") == NOT_THERE
        end.hear(bytes([MET]))
        assert end.it.dialled(end.connection) is end.neighbour
    assert low.sent == [] and len(high.sent) == 1, "the higher id greets, the lower one begins"
    for _ in range(9):
        for one, other in ((high, low), (low, high)):
            if one.sent:
                other.hear(one.sent.pop(0))
                break
    assert [end.said("up")[0][0] for end in (low, high)] == [low.neighbour, high.neighbour]


def test_a_call_for_a_neighbour_that_did_not_leave_is_not_counted_and_another_answer_is_no_relays() -> None:
    end = asked(0)
    end.outcome = next(each for each in Outcome if each is not Outcome.SENT)
    end.hear(greeting(bytes(CHALLENGE)))
    assert len(end.sent) == 1 and end.traffic.calls == []
    end.hear(b"hello")
    assert end.events.names()[-1] == "hang_up" and end.it.dialled(end.connection) is None
