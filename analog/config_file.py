"""An array's configuration from a TOML file, whose tables mirror the frozen dataclasses of this package.

Every field has its own name; those that hold a dataclass are tables: ``[cells]``, ``[cells.device]``,
``[cells.writer.pulse]``, ``[adc]``. ``preset`` names the configuration of ``config.PRESETS`` to begin with. What a
table leaves out is as in the preset, or where that lacks the whole part, as by the dataclass's default. ``process``
in ``[cells.wires]`` brings the wires of a process (``circuit/processes.py``), which the table's other keys change.
``technology`` of ``[cells.writer]`` names the writer of ``memory/writers.py`` to begin with.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..model.formats import DesignError, check_choice
from ..model.records import from_table, read_toml
from .circuit.processes import with_process
from .config import PRESETS, ArrayConfig, preset
from .memory.writers import WRITERS

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
    content = read_toml(Path(path), "array configuration", name)
    try:
        base = preset(content.pop("preset")) if "preset" in content else ArrayConfig()
        base = _written(base, content)
    except DesignError as error:
        raise DesignError(f"{name}: {error}") from None
    _named_wires(content, name)
    return from_table(ArrayConfig, content, name, "an array", base=base, also=("preset",))


def _named_wires(content: dict[str, Any], name: str) -> None:
    """Put the numbers of a process's wires in place of its name."""
    cells = content.get("cells")
    wires = cells.get("wires") if isinstance(cells, dict) else None
    if not isinstance(wires, dict) or "process" not in wires:
        return
    try:
        named = with_process(wires.pop("process"))
    except DesignError as error:
        raise DesignError(f"{name}: cells.wires: {error}") from None
    for key in ("row_segment", "column_segment", "row_capacitance", "column_capacitance"):
        wires.setdefault(key, getattr(named, key))


def _written(base: ArrayConfig, content: dict[str, Any]) -> ArrayConfig:
    """``base`` with the writer whose technology ``content`` names, which is taken out."""
    cells = content.get("cells")
    writer = cells.get("writer") if isinstance(cells, dict) else None
    if not isinstance(writer, dict) or "technology" not in writer:
        return base
    name = writer.pop("technology")
    check_choice("technology of a writer", name, tuple(WRITERS))
    if base.cells is None:
        raise DesignError("a writer's technology needs a preset with cells")
    return replace(base, cells=replace(base.cells, writer=WRITERS[name]()))
