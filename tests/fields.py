"""Fields of frozen descriptions, for tests that go through every one, so that a new field cannot be forgotten."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest


def every_field(parts: Iterable[Any], checked_elsewhere: frozenset[tuple[str, str]] = frozenset()):
    """Parametrises a test by ``part`` and the ``name`` of each of its fields, but for those that are parts themselves.

    ``checked_elsewhere`` are pairs of a class's name and a field's.
    """
    found = [
        (part, field.name)
        for part in parts
        for field in fields(part)
        if not is_dataclass(getattr(part, field.name)) and (type(part).__name__, field.name) not in checked_elsewhere
    ]
    return pytest.mark.parametrize("part, name", found, ids=[f"{type(part).__name__}.{name}" for part, name in found])
