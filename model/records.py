"""Records of TOML and JSON files: a table becomes the dataclass whose fields are its keys, tables in it others."""

import tomllib
from dataclasses import MISSING, field, fields, is_dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from .formats import DesignError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def read_toml(file: Path | Traversable, what: str, name: str) -> dict[str, Any]:
    """The content of ``file``. Raises :class:`DesignError` that calls it ``what`` ``name`` where it is no TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # some editors begin a file with a byte-order mark
    except OSError as error:
        raise DesignError(f"cannot read {what} {name!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DesignError(f"cannot read {what} {name!r}: it is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # also a number too long, or tables too deep, for Python
        raise DesignError(f"{what} {name!r} is not valid TOML: {error}") from None


def from_table(
    kind: type[T],
    table: dict[str, Any],
    where: str,
    what: str,
    *,
    base: T | None = None,
    also: tuple[str, ...] = (),
    part: str = "",
) -> T:
    """An instance of ``kind``; a field that holds a dataclass is a table in ``table``.

    What a table leaves out is as in ``base``, or where that has no such part, at its default. Error sentences begin
    with ``where`` and call the table ``what`` or, further in, by its path ``part``; ``also`` are keys that the caller
    has taken out. Raises :class:`DesignError` for a key that is unknown, a field that is missing, a part that is no
    table, and for what a dataclass refuses.
    """
    if not isinstance(table, dict):
        raise DesignError(f"{where}: {f'{part} ' if part else ''}must be a table, not {table!r}")
    place = f"{where}: {part}" if part else where
    hints, known = get_type_hints(kind), {field.name: field for field in fields(kind)}
    values = {}
    for key, value in table.items():
        if key not in known:
            names = ", ".join([*also, *sorted(known)])
            raise DesignError(f"{place}: unknown key {key!r}; {part or what} has {names}")
        hint = hints[key]
        inner = next((h for h in (hint, *get_args(hint)) if isinstance(h, type) and is_dataclass(h)), None)
        if inner is None or value is None:
            values[key] = _value(hint, value)
        else:
            path = f"{part}.{key}" if part else key
            values[key] = from_table(inner, value, where, what, base=getattr(base, key, None), part=path)
    if base is None:
        for name, field in known.items():
            if field.default is field.default_factory is MISSING and name not in values:
                raise DesignError(f"{place}: {name} is missing")
    try:
        return kind(**values) if base is None else replace(base, **values)
    except DesignError as error:
        raise DesignError(f"{place}: {error}") from None


def store(record: "DataclassInstance", name: str, value: Any) -> None:
    """Set a field of a frozen dataclass that is being made: to Python's own number in place of numpy's."""
    object.__setattr__(record, name, value)


def later(default: Any) -> Any:
    """A field that :func:`signature` leaves out while it has its default: records without it keep their text."""
    return field(default=default, metadata={"later": True})


def signature(record: Any) -> str:
    """The text of a record that decides a fingerprint: ``repr``, less the :func:`later` fields at their default."""
    if not is_dataclass(record):
        return repr(record)
    told = [
        f"{field.name}={signature(getattr(record, field.name))}"
        for field in fields(record)
        if not (field.metadata.get("later") and getattr(record, field.name) == field.default)
    ]
    return f"{type(record).__qualname__}({', '.join(told)})"


def _value(hint: Any, value: Any) -> Any:
    """The value as the field's type has it: 300 and 300.0 are one number, a list is a tuple. Others are kept."""
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(get_args(hint)[0], entry) for entry in value)
    if hint is float and type(value) is int:
        return float(str(value))  # of more than 308 digits: infinite, as TOML's 1e309
    return value
