"""Records from tables, with what the tests of the array's and the design's files leave open."""

import re
from dataclasses import asdict, dataclass, field

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.model.records import from_table, later, read_toml, signature


@dataclass(frozen=True)
class Inner:
    pair: tuple[int, int]
    share: float = 0.5
    raw: float | int = 2


@dataclass(frozen=True)
class Outer:
    first: Inner
    second: Inner | None = None
    third: Inner = field(default_factory=lambda: Inner((3, 4)))
    sizes: tuple[int, ...] = ()


def test_a_record_and_its_parts_come_back():
    for outer in (Outer(Inner((1, 2))), Outer(Inner((1, 2)), Inner((5, 6), 0.1, 3), Inner((0, 0)), (7, 8, 9))):
        found = from_table(Outer, asdict(outer), "file", "a record")
        assert found == outer
        assert repr(found) == repr(outer)


def test_lists_are_tuples_and_only_a_float_turns_an_integer_into_one():
    table = {"first": {"pair": [1, 2], "share": 1, "raw": 1}, "second": None, "sizes": [3]}
    found = from_table(Outer, table, "file", "a record")
    assert repr(found) == repr(Outer(Inner((1, 2), 1.0, 1), sizes=(3,)))


def test_a_base_has_the_rest_at_any_depth():
    base = Outer(Inner((1, 2), 0.25), sizes=(9,))
    found = from_table(Outer, {"first": {"raw": 7}, "second": {"pair": [5, 6]}}, "file", "a record", base=base)
    assert found == Outer(Inner((1, 2), 0.25, 7), Inner((5, 6)), sizes=(9,))


@pytest.mark.parametrize("table, sentence", [
    (3, "file: must be a table, not 3"),
    ([], "file: must be a table, not []"),
    ({}, "file: first is missing"),
    ({"first": []}, "file: first must be a table, not []"),
    ({"first": {}}, "file: first: pair is missing"),
    ({"colour": 1}, "file: unknown key 'colour'; a record has kind, first, second, sizes, third"),
    ({"first": {"colour": 1}}, "file: first: unknown key 'colour'; first has pair, raw, share"),
])  # fmt: skip
def test_a_fault_is_one_sentence(table, sentence):
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        from_table(Outer, table, "file", "a record", also=("kind",))


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbfname = 1\n")
    assert read_toml(tmp_path / "marked.toml", "design", "marked.toml") == {"name": 1}


@dataclass(frozen=True)
class Old:
    a: int = 1
    b: float = 2.0


@dataclass(frozen=True)
class New:
    a: int = 1
    b: float = 2.0
    c: float = later(0.5)
    part: Old | None = None


def test_a_later_field_at_its_default_leaves_the_text_of_a_record_as_it_was():
    assert signature(Old()) == repr(Old())
    assert signature(New(part=Old(3))).endswith(f"New(a=1, b=2.0, part={Old(3)!r})")
    assert signature(New(c=0.25)).endswith("New(a=1, b=2.0, c=0.25, part=None)")
    assert New() == New(c=0.5)
