"""Who is who: one identity a person, however often and however a list spells it.

Spellings that no eye can tell apart are one person (`spelling.clean`), with a remark. Spellings in one data set that
could be one person (`spelling.loose`) are asked about: nobody here can know whether S1 and S01 are two people, and a
guess would put one of them on both sides of a split, or join two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from p2pfl_me.data.clip import Clip, Fault, Problem, Quirk, Remark, place
from p2pfl_me.data.identity_rules import ASK, IdentityRules, Said, names
from p2pfl_me.data.spelling import clean, loose, loose_dataset

HOW = "say which with --same or --different, or in a column `person`"


def bare(clip: Clip) -> str:
    """A clip's subject as its data set spells it."""
    return clip.subject.removeprefix(f"{clip.dataset}/")


def could_be(clip: Clip) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What this clip's subject has in common with every spelling that could be the same person."""
    return loose_dataset(clip.dataset), loose(bare(clip), inside=clip.dataset)


@dataclass(frozen=True, slots=True)
class _Known:
    """A name that has come, where it came first, and whether the user said who that is."""

    name: str
    where: str
    told: bool


class Identities:
    """Gives every clip of a run, from however many lists, the name of its person; asks where that is not certain."""

    def __init__(self, rules: IdentityRules = ASK) -> None:
        self._rules = rules
        self._datasets: dict[tuple[str, ...], list[_Known]] = defaultdict(list)
        self._people: dict[tuple[str, tuple[str, ...]], list[_Known]] = defaultdict(list)
        self._names: dict[tuple[str, str, bool], tuple[str, str, bool]] = {}
        self._firsts: dict[str, tuple[str, str]] = {}
        self._asked = frozenset(name for group in (*rules.same, *rules.different) for name in group)
        self._come: set[str] = set()

    def see(self, clip: Clip) -> tuple[Clip, tuple[Problem | Remark, ...]]:
        """The clip under its person's name, and what there is to say of it, once a spelling."""
        raw = (clip.dataset, clip.subject, clip.told)
        said: tuple[Problem | Remark, ...] = ()
        if raw not in self._names:
            self._names[raw], said = self._meet(clip)
        dataset, subject, told = self._names[raw]
        if raw != (dataset, subject, told):
            clip = replace(clip, dataset=dataset, subject=subject, told=told)
        return clip, said

    def unheard(self) -> Iterator[Problem]:
        """Names in the rules that nobody bears: a slip must not pass for an answer. Ask once all clips have come."""
        for way, groups in (("--same", self._rules.same), ("--different", self._rules.different)):
            for name in dict.fromkeys(name for group in groups for name in group):
                if name not in self._come:
                    yield Problem(0, Fault.IDENTITY, f"{way} names {name}, and nobody here is called so")

    def _meet(self, clip: Clip) -> tuple[tuple[str, str, bool], tuple[Problem | Remark, ...]]:
        where = place(clip.line, clip.row) or str(clip.path)
        said: list[Problem | Remark] = []

        def ask(what: str, name: str, known: _Known | None, one: str) -> None:
            if known:
                text = f"{what} {name} here and {known.name} at {known.where} may be one{one}: {HOW}"
                said.append(Problem(clip.line, Fault.IDENTITY, text, clip.row))

        written = clean(clip.dataset)
        dataset, answered, known = self._one_of(self._datasets[loose_dataset(written)], written, where, clip.told)
        ask("data set", written, known, "")
        subject = _inside(clean(bare(clip)), written, dataset)
        if self._asked:
            self._come |= self._asked & {written, subject, f"{dataset}/{subject}", f"{written}/{subject}"}
        said += self._rewritten(clip, f"{dataset}/{subject}", where)
        person = None if clip.told else self._rules.person(dataset, subject)
        told = clip.told or person is not None
        name = f"{dataset}/{person or subject}"
        if not told:
            name = self._joined(name, dataset)
        key = (dataset, loose(name.removeprefix(f"{dataset}/"), inside=dataset))
        found, decided, known = self._one_of(self._people[key], name, where, told)
        ask("subject", name, known, " person")
        return (dataset, found, told or answered or decided), tuple(said)

    def _joined(self, name: str, dataset: str) -> str:
        """The first of a group of names that the user joined; they need not be alike."""
        for group in self._rules.same:
            if names(group, name):
                return f"{dataset}/{group[0].removeprefix(f'{dataset}/')}"
        return name

    def _one_of(self, known: list[_Known], name: str, where: str, told: bool) -> tuple[str, bool, _Known | None]:
        """The name among those alike that `name` is, whether the user said that it is none, and who is in doubt."""
        if any(each.name == name for each in known):
            return name, False, None
        answers = [(each, self._rules.of(each.name, name)) for each in known]
        if same := next((each for each, answer in answers if answer is Said.SAME), None):
            return same.name, False, None
        decided = told or any(answer is Said.DIFFERENT for _, answer in answers)
        doubtful = (each for each, answer in answers if answer is None and not (told or each.told))
        known.append(_Known(name, where, decided))
        return name, decided, next(doubtful, None)

    def _rewritten(self, clip: Clip, name: str, where: str) -> Iterator[Remark]:
        """One person written with other characters than before, which look the same."""
        raw, first = self._firsts.setdefault(name, (clip.subject, where))
        if raw != clip.subject and clean(raw) == clean(clip.subject):
            here = f"{where}: " if clip.line else ""
            text = f"subject {name} is written here with other characters than at {first}: taken for one person"
            yield Remark(Quirk.SPELLING, here + text, clip.row)


def _inside(subject: str, *datasets: str) -> str:
    """Without the data set's name before it, in whichever spelling."""
    return next((subject.removeprefix(f"{each}/") for each in datasets if subject.startswith(f"{each}/")), subject)
