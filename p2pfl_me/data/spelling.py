"""How names are written: what no eye can tell apart is one spelling, and what could mean one name has one `loose` form.

Names come out of spreadsheets, file systems and hands. macOS decomposes an accent, a sheet pads with no-break spaces or
turns 001 into 1, one assistant writes S01 and the next sub_1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

COUNTING_WORDS = frozenset(
    (
        "s",
        "su",
        "sub",
        "subj",
        "subject",
        "sp",
        "spno",
        "no",
        "nr",
        "number",
        "id",
        "person",
        "participant",
        "part",
        "vp",
        "vpn",
        "pbn",
        "proband",
        "probandin",
        "testperson",
        "sujet",
        "sujeto",
        "soggetto",
        "被试",
        "受试者",
        "被験者",
    )
)
"""Words that stand beside a subject's number and tell nobody from anybody. `p` is none: it may be for patients."""
LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕ" + "αβεζηικμνορτυχ" + "ıłøđ", "abekmhopctyxijs" + "abezhikmnoptyx" + "ilod"
) | {ord("æ"): "ae", ord("œ"): "oe"}
"""Letters, in lower case, that print like Latin ones in either case: Cyrillic, Greek, and Latin with a stroke."""
ROMAN = {"iii": "3", "ii": "2", "iv": "4"}
MEASURED = re.compile(r"\s*([^\W\d_]*[ ._-]*[0-9]+)[.,]0+\s*")
"""A number that a program took for a measurement: 1.0 is 1, S1.0 is S1."""
SHORTENED = re.compile(r"\s*([0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]{1,2})\s*")
"""One that it took for a power of ten: 1E+00 is 1, 1.2e3 is 1200."""
WRITTEN_OUT = re.compile(r"(?<=[aou])e")
"""The dots of an umlaut, where a keyboard has none: Mueller is Müller."""
FIGURES = str.maketrans("oli", "011")
"""Letters that a hand takes for figures."""
_WORDS = "|".join(sorted(COUNTING_WORDS, key=len, reverse=True))
TYPED = re.compile(
    rf"(?<=[0-9])[oli]+(?![^\W\d_])|(?<![^\W\d_])(?!(?:{_WORDS})[0-9])((?:{_WORDS}|[a-z])?)[oli]+(?=[0-9])"
)
"""Such letters as a part of a number: behind its figures, or between them and the letter or word before: SO1, S0l."""
WHOLE = re.compile(r"[0-9]{1,18}")


def clean(text: str) -> str:
    """The same characters in one form: NFC, nothing invisible, every blank one space, none at the ends."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if " " in text else text
    seen = "".join(" " if each.isspace() else each for each in text if not _invisible(each))
    return " ".join(unicodedata.normalize("NFC", seen).split())


def _invisible(character: str) -> bool:
    """Format and control characters, and selectors of a glyph's variant, but for blanks."""
    if character.isspace():
        return False
    return unicodedata.category(character) in {"Cf", "Cc"} or 0xFE00 <= ord(character) <= 0xFE0F


@lru_cache(1 << 16)
def loose(text: str, *, inside: str = "") -> tuple[str, ...]:
    """What two spellings of one subject have in common: words and numbers, without case, accents, leading zeros, signs
    between them, counting words, and the name of the data set that they are `inside`.

    `S01`, `s-1`, `sub_001` and `Subject 1` are one; `1_2` and `12` are two.
    """
    words = _words(text)
    if inside:
        # `LAB_S01` in `lab`: as one text its first word would be `labs`, as the signs between words do not count.
        whole = _whole_name(inside)
        ends = (end for end in range(1, len(words)) if _joined(words[:end]) == whole)
        words = words[next(ends, 0) :] if words and whole and whole[0].startswith(words[0]) else words
    parts = _joined(words)
    if any(part.isdecimal() for part in parts):
        parts = [part for part in parts if part not in COUNTING_WORDS]
    return tuple(parts) or (clean(text).casefold(),)


@lru_cache(1 << 10)
def _whole_name(text: str) -> list[str]:
    """The parts of a data set's name; not to be changed."""
    return _joined(_words(text))


@lru_cache(1 << 10)
def loose_dataset(text: str) -> tuple[str, ...]:
    """The same of a data set's name: `CASME II`, `casme-2` and `CASME2` are one; CASME is another."""
    parts = _parts(text)
    for roman, digit in ROMAN.items():
        if parts and len(parts[-1]) > len(roman) and parts[-1].endswith(roman):
            parts = [*parts[:-1], parts[-1].removesuffix(roman), digit]
    return tuple(parts) or (clean(text).casefold(),)


def alike(one: str, other: str) -> bool:
    """Whether two `DATASET/SUBJECT` could be one person."""
    return _whole(one) == _whole(other)


def _whole(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    dataset, _, subject = name.partition("/")
    return loose_dataset(dataset), loose(subject, inside=dataset)


def _parts(text: str) -> list[str]:
    """Runs of letters, whatever stands between them, and numbers."""
    return _joined(_words(text))


def _words(text: str) -> list[str]:
    """Words, and numbers without leading zeros."""
    if whole := MEASURED.fullmatch(text):
        text = whole[1]
    elif power := SHORTENED.fullmatch(text):
        text = _unshortened(power[1])
    if not text.isascii():
        text = unicodedata.normalize("NFKD", "".join(_figure(each) for each in text))
        text = "".join(_plain(each) for each in text if not (unicodedata.combining(each) or _invisible(each)))
    text = TYPED.sub(_typed, text.casefold().translate(LOOK_ALIKES))
    found = re.findall(r"[0-9]+|[^\W\d_]+", WRITTEN_OUT.sub("", text))
    return [(part.lstrip("0") or "0") if part[0].isdecimal() else part for part in found]


def _joined(words: Sequence[str]) -> list[str]:
    """Words that follow each other as one; numbers by themselves."""
    parts: list[str] = []
    for word in words:
        if parts and not (word[0].isdecimal() or parts[-1][0].isdecimal()):
            parts[-1] += word
        else:
            parts.append(word)
    return parts


def _typed(found: re.Match[str]) -> str:
    word = found[1] or ""
    return word + found[0][len(word) :].translate(FIGURES)


def _unshortened(text: str) -> str:
    value = Decimal(text.replace(",", "."))
    return f"{value:.0f}" if value == value.to_integral_value() else text


def _figure(character: str) -> str:
    """A Roman figure of one character, as the one for 4, as a number; others as they are."""
    if unicodedata.category(character) != "Nl":
        return character
    return f"{unicodedata.numeric(character):.0f}"


def _plain(character: str) -> str:
    """A digit of another script as ours."""
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def is_whole(text: str) -> bool:
    """Whether `int` takes it, and it is one: `str.isdigit` also says yes to `²`, and `int` has a limit of its own."""
    return WHOLE.fullmatch(text) is not None
