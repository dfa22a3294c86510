"""Every contract that docs/privacy.md shows is one: it is read, and spends no more than its budget."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from p2pfl_me.contract.load import contract_from_yaml

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"
SHOWN = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
HEAD = "version: 1\nname: shown\ntopology: {kind: ring}\npeers: {loopback: {count: 10}}\n"


@pytest.mark.parametrize("text", SHOWN, ids=range(len(SHOWN)))
def test_a_contract_of_the_page_is_a_contract(text: str) -> None:
    shown = contract_from_yaml(HEAD + text).privacy
    assert shown.spends and shown.budget is not None and shown.budget.epsilon == 8


def test_the_page_shows_one_for_a_clip_and_one_for_a_person() -> None:
    assert len(SHOWN) == 2
