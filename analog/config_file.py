"""An array's configuration from a TOML file, whose tables mirror the frozen dataclasses of this package.

Every field has its own name; those that hold a dataclass are tables: ``[cells]``, ``[cells.device]``,
``[cells.writer.pulse]``, ``[adc]``. ``preset`` names the configuration of ``config.PRESETS`` to begin with. What a
table leaves out is as in the preset, or where that lacks the whole part, as by the dataclass's default.
"""

import tomllib
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

from ..model.formats import DesignError
from .config import PRESETS, ArrayConfig, preset

SUFFIX = ".toml"


def load_config(
    name_or_path: str, what: str = "array preset", choices: tuple[str, ...] = tuple(PRESETS)
) -> ArrayConfig:
    """A preset by name, or a configuration file by its path, which ends in ``.toml``.

    Raises :class:`DesignError` for a name that is not in ``choices``, where it calls the name ``what``, and as
    :func:`read_config` does.
    """
    if name_or_path.endswith(SUFFIX):
        return read_config(name_or_path)
    if name_or_path not in choices:
        raise DesignError(
            f"{what} must be one of {', '.join(choices)} or a path to a {SUFFIX} file, not {name_or_path!r}"
        )
    return preset(name_or_path)


def read_config(path: str | Path) -> ArrayConfig:
    """The configuration in a TOML file.

    Raises :class:`DesignError` for a file that cannot be read or is no TOML, a key or preset that is unknown, a part
    without its table, and for any value that its dataclass refuses.
    """
    name = str(path)
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DesignError(f"cannot read array configuration {name!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DesignError(f"cannot read array configuration {name!r}: it is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # also a number too long, or tables too deep, for Python
        raise DesignError(f"array configuration {name!r} is not valid TOML: {error}") from None
    try:
        base = preset(content.pop("preset")) if "preset" in content else ArrayConfig()
    except DesignError as error:
        raise DesignError(f"{name}: {error}") from None
    return _build(ArrayConfig, content, base, name)


def _build(kind: type, table: dict, base, where: str, part: str = ""):
    """An instance of the dataclass ``kind`` from the table of ``part``; ``base``, if any, has the rest."""
    place = f"{where}: {part}" if part else where
    hints = get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if key not in hints:
            known = sorted(hints) if part else ["preset", *sorted(hints)]
            raise DesignError(f"{place}: unknown key {key!r}; {part or 'an array'} has {', '.join(known)}")
        inner = next((hint for hint in (hints[key], *get_args(hints[key])) if is_dataclass(hint)), None)
        if inner is None:
            values[key] = _value(hints[key], value)
            continue
        path = f"{part}.{key}" if part else key
        if not isinstance(value, dict):
            raise DesignError(f"{where}: {path} must be a table, not {value!r}")
        values[key] = _build(inner, value, getattr(base, key, None), where, path)
    if base is None:
        for field in fields(kind):
            if field.default is MISSING and field.name not in values:
                raise DesignError(f"{place}: {field.name} is missing")
    try:
        return kind(**values) if base is None else replace(base, **values)
    except DesignError as error:
        raise DesignError(f"{place}: {error}") from None


def _value(hint, value):
    """TOML's value as the field's type has it: 300 and 300.0 are one number, a list is a tuple. Others are kept."""
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(float, number) for number in value)
    if hint is float and type(value) is int:
        return float(str(value))  # of more than 308 digits: infinite, as TOML's 1e309
    return value
