"""What a contract chooses, and how a choice is declared: once, in the file that also carries it out.

A choice is a frozen `Part` with a `kind`: its options are fields, its traits class variables, what it does methods. A
`Registry` finds the files of one package by itself, so a new protocol, graph or compression is one file. Floor 0 of the
house: imports only the errors.
"""

from p2pfl_me.choice.part import Conflict, Fraction, Part, PositiveInt, Seconds
from p2pfl_me.choice.registry import Choice, Registry
from p2pfl_me.choice.seeds import Chance, chance_of, derive_seed

__all__ = [
    "Chance",
    "Choice",
    "Conflict",
    "Fraction",
    "Part",
    "PositiveInt",
    "Registry",
    "Seconds",
    "chance_of",
    "derive_seed",
]
