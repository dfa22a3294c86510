"""A choice is found by its file alone, read from a name or a mapping, and refused by name where it is unfinished."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from p2pfl_me.choice import Choice, Part, Registry
from p2pfl_me.errors import ContractError

PLUM = """
from typing import Literal
from tests.choice.test_registry import Fruit

class Plum(Fruit):
    kind: Literal["plum"]
    stones: int = 1
    def weigh(self) -> int:
        return 30
"""


class Fruit(Choice):
    what: ClassVar[str] = "fruit"
    by_name_alone: ClassVar[bool] = True
    sweet: ClassVar[bool] = False

    def weigh(self) -> int:
        raise self.unfinished("weigh")


class Quince(Fruit):
    kind: Literal["quince"]


@pytest.fixture
def fruits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Fruit]]:
    folder = tmp_path / "orchard"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "plum.py").write_text(PLUM)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("orchard", "orchard.plum"):  # that of another test lies elsewhere, or nowhere any more
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield Registry(Fruit, "orchard")


@pytest.fixture
def read(fruits: Registry[Fruit]) -> Callable[[Any], Any]:
    class Basket(Part):
        fruit: Annotated[SerializeAsAny[Fruit], BeforeValidator(fruits.parse)]

    return lambda value: Basket.model_validate({"fruit": value})


def test_one_file_is_a_kind(fruits: Registry[Fruit], read: Callable[[Any], Any]) -> None:
    assert list(fruits) == ["plum"]
    for written in ("plum", {"kind": "plum"}, {"kind": "plum", "stones": 1}):
        basket = read(written)
        assert basket.fruit.weigh() == 30
        assert basket.model_dump(mode="json") == {"fruit": {"kind": "plum", "stones": 1}}
    assert read({"kind": "plum", "stones": 2}).fruit.options == {"stones": 2}
    assert read(fruits.of("plum", stones=3)).fruit.stones == 3


@pytest.mark.parametrize(
    ("written", "kind", "at"),
    [
        ("pear", "union_tag_invalid", ("fruit",)),
        ({"kind": ["plum"]}, "union_tag_invalid", ("fruit",)),
        ({"stones": 1}, "union_tag_not_found", ("fruit",)),
        ({"kind": "plum", "stones": "many"}, "int_parsing", ("fruit", "stones")),
        ({"kind": "plum", "pips": 1}, "extra_forbidden", ("fruit", "pips")),
        (7, "model_type", ("fruit",)),
        (None, "model_type", ("fruit",)),
    ],
)
def test_what_is_no_kind_is_refused_at_its_place(
    read: Callable[[Any], Any], written: object, kind: str, at: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(written)
    (found,) = caught.value.errors()
    assert (found["type"], found["loc"]) == (kind, at)


WRONG = {
    "no name": ("class Fig(Fruit): pass", r'Fig has no name .*\n.*`kind: Literal\["fig"\]`'),
    "a plain text": ('class Fig(Fruit):\n    kind: str = "fig"', "Fig has no name of one text"),
    "another's name": ('class Fig(Fruit):\n    kind: Literal["plum"]', "has the name of orchard.*, `plum`"),
    "odd letters": ('class Fig(Fruit):\n    kind: Literal["Ä/b"]', "is called `Ä/b`"),
    "two names": ('class Fig(Fruit):\n    kind: Literal["fig", "date"]', "Fig has several names"),
    "two opinions": ('class Fig(Fruit):\n    kind: Literal["fig"] = "plum"', "`fig`, and `plum` where nothing is said"),
    "a trait misspelt": (
        'class Fig(Fruit):\n    kind: Literal["fig"]\n    swet: ClassVar[bool] = True',
        r"says `swet`, which is no trait of a fruit\n.*`sweet`",
    ),
    "a trait as an option": (
        'class Fig(Fruit):\n    kind: Literal["fig"]\n    sweet: bool = True',
        "an option `sweet`, which is a trait",
    ),
    "an option without a default": (
        'class Fig(Fruit):\n    kind: Literal["fig"]\n    seeds: int',
        "an option `seeds` without a default",
    ),
    "an option of no known type": (
        'class Fig(Fruit):\n    kind: Literal["fig"]\n    seeds: Unknown = 1',
        "cannot be read: NameError",
    ),
    "no Python": ("class Fig(Fruit)", "this file, which declares a fruit, cannot be read: SyntaxError"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.filterwarnings("ignore:Field name")
def test_a_wrong_declaration_is_refused_by_name(
    fruits: Registry[Fruit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    body, said = WRONG[wrong]
    head = "from typing import ClassVar, Literal\nfrom tests.choice.test_registry import Fruit\n"
    (tmp_path / "orchard" / "fig.py").write_text(f"{head}\n{body}\n")
    monkeypatch.delitem(sys.modules, "orchard.fig", raising=False)
    with pytest.raises(ContractError, match=said) as caught:
        list(fruits)
    assert "orchard." in caught.value.where and caught.value.fix


def test_another_kind_of_the_same_name_is_refused(fruits: Registry[Fruit]) -> None:
    fruits.add(Quince)
    fruits.add(Quince)

    class Other(Fruit):
        kind: Literal["quince"]

    with pytest.raises(ContractError, match=r"Other has the name of .*Quince"):
        fruits.add(Other)
    assert fruits["quince"] is Quince


def test_an_unfinished_kind_is_refused_by_name(fruits: Registry[Fruit], read: Callable[[Any], Any]) -> None:
    fruits.add(Quince)
    with pytest.raises(ContractError, match="fruit quince cannot do this: it defines no weigh"):
        read("quince").fruit.weigh()
    fruits.remove("quince")
    with pytest.raises(ValidationError):
        read("quince")
