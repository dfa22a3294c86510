"""Evaluations are told on pages, whose pictures are tested with the report: here they are drawn and not saved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.report.fixture import pictures_unsaved


@pytest.fixture(autouse=True, scope="module")
def few_pictures() -> Iterator[None]:
    """To save each in three formats takes longer than all else that a page needs."""
    with pictures_unsaved():
        yield
