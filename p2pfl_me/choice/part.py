"""What all sections of the contract share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from p2pfl_me.choice.plain import Wanted

PositiveInt = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Conflict(ValueError):
    """What a validator refuses, with the nearest thing that works as its `fix`."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


class Part(BaseModel):
    """Frozen, and an unknown key is an error, as is a value that may be read in two ways."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _is_plain(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        wrong = [
            InitErrorDetails(type=PydanticCustomError("plain", why), loc=(field,), input=given[field])
            for field, wanted in _looked_at(cls)
            if field in given and (why := wanted.refusal(given[field]))
        ]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return given


@cache
def _looked_at(part: type[Part]) -> tuple[tuple[str, Wanted], ...]:
    """The fields that are made of numbers and truth values alone."""
    by_field = ((name, Wanted.by(field.annotation)) for name, field in part.model_fields.items())
    return tuple((name, wanted) for name, wanted in by_field if wanted)
