"""Fingerprints as words for the phone: proquints, five letters for sixteen bits, in turn consonant and vowel.

Wilkerson, "A proposal for proquints: identifiers that are readable, spellable, and pronounceable", arXiv 0901.4016.
"""

from __future__ import annotations

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aiou"


def proquint(value: int) -> str:
    """Sixteen bits as five letters: `lusab` for 0x7f00."""
    letters = []
    for width, alphabet in ((4, CONSONANTS), (2, VOWELS), (4, CONSONANTS), (2, VOWELS), (4, CONSONANTS)):
        letters.append((width, alphabet))
    word, left = "", 16
    for width, alphabet in letters:
        left -= width
        word += alphabet[value >> left & ((1 << width) - 1)]
    return word


def as_words(fingerprint: str) -> str:
    """The groups of four hex digits of a fingerprint, a word each."""
    return " ".join(proquint(int(group, 16)) for group in fingerprint.split())
