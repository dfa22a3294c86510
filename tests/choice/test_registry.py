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


def test_an_unfinished_kind_is_refused_by_name(fruits: Registry[Fruit], read: Callable[[Any], Any]) -> None:
    fruits.add(Quince)
    with pytest.raises(ContractError, match="fruit quince cannot do this: it defines no weigh"):
        read("quince").fruit.weigh()
    fruits.remove("quince")
    with pytest.raises(ValidationError):
        read("quince")
