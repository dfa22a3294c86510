"""Constants, defaults and bounds of this room are the approved ones (see `tests.declared`)."""

from tests.declared import changed


def test_what_is_declared_is_what_was_approved() -> None:
    assert changed("topology") == []
