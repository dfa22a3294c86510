"""All kinds of one choice by name: found in the files of a package, looked up when a contract is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic_core import PydanticKnownError

from p2pfl_me.choice.declared import enter, named_kinds, read_modules
from p2pfl_me.choice.part import Part
from p2pfl_me.errors import ContractError

C = TypeVar("C", bound="Choice")


class Choice(Part):
    """One kind of a choice with its options, as a contract holds it.

    A kind is a subclass with `kind: Literal["its_name"]`. Bases of several kinds leave `kind` a plain text.
    """

    what: ClassVar[str] = "choice"
    """The choice in a user's words, the same for all its kinds: `topology`."""
    registry: ClassVar[Mapping[str, Any]]
    """Of the kinds that share a base: theirs, by name."""
    by_name_alone: ClassVar[bool] = False
    """Of the kinds that share a base: each can be taken without options, as lists and remedies do."""
    kind: str

    @classmethod
    def name(cls) -> str:
        """The name by which a contract chooses this kind, empty for a base of several kinds."""
        names = get_args(cls.model_fields["kind"].annotation)
        return str(names[0]) if names else ""

    @property
    def options(self) -> Mapping[str, Any]:
        """What was chosen beside the kind and differs from its defaults, as JSON values."""
        return {
            key: value for key, value in self.model_dump(mode="json", exclude_defaults=True).items() if key != "kind"
        }

    @property
    def carried_by(self) -> tuple[str, ...]:
        """The methods without which this kind does nothing."""
        return ()

    def require_finished(self) -> None:
        """Asked by every engine before anything runs.

        Raises
        ------
        ContractError
            The kind is declared, and nothing carries it out: what it inherits is only its base's refusal.
        """
        for part in self.carried_by:
            owner = next(each for each in type(self).__mro__ if part in vars(each))
            if issubclass(owner, Choice) and not owner.name():
                raise self.unfinished(part)

    def unfinished(self, part: str) -> ContractError:
        """For a base class to raise where a kind has not defined `part`: refused by name, never taken for another."""
        return ContractError(
            f"{self.what} {self.kind} cannot do this: it defines no {part}",
            where=type(self).__module__,
            fix=f"define `{part}` there, or take another {self.what}",
        )

    def __str__(self) -> str:
        return self.kind


class Registry(Mapping[str, type[C]], Generic[C]):
    """The kinds of one choice, by name and sorted by it.

    Parameters
    ----------
    base:
        The class of which every kind is a subclass.
    package:
        Every module in it is looked through for such subclasses, once, when the first name is asked for.
    """

    def __init__(self, base: type[C], package: str) -> None:
        self.base, self.package = base, package
        base.registry = self
        self._kinds: dict[str, type[C]] | None = None

    def add(self, kind: type[C]) -> None:
        """Add a kind that lies outside the package, as a notebook or a test may.

        Raises
        ------
        ContractError
            It is declared wrongly, or another one has its name.
        """
        enter(self._found(), kind)

    def remove(self, name: str) -> None:
        """Take a kind out again."""
        del self._found()[name]

    def parse(self, value: object) -> object:
        """A choice as a contract writes it: a name alone, or a mapping with `kind` and options.

        What is neither goes back as it is, for pydantic to complain about.
        """
        return self.parse_mapping({"kind": value} if isinstance(value, str) else value)

    def parse_mapping(self, given: object) -> object:
        """As `parse`, where a name alone is not enough."""
        if not isinstance(given, Mapping):
            return given
        if "kind" not in given:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "kind"})
        kind = self._found().get(given["kind"]) if isinstance(given["kind"], str) else None
        if kind is None:
            known = ", ".join(self)
            tag = {"discriminator": "kind", "tag": str(given["kind"]), "expected_tags": known}
            raise PydanticKnownError("union_tag_invalid", tag)
        return kind.model_validate(given)

    def of(self, name: str, **options: Any) -> C:
        """The kind called `name` with these options. Raises KeyError, or pydantic's ValidationError."""
        return self[name].model_validate({"kind": name, **options})

    def __getitem__(self, name: str) -> type[C]:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._found()))

    def __len__(self) -> int:
        return len(self._found())

    def _found(self) -> dict[str, type[C]]:
        if self._kinds is None:
            self._kinds = named_kinds(read_modules(self.package, self.base.what), self.base)  # type: ignore[assignment]
        assert self._kinds is not None
        return self._kinds
