"""What is known of one chip: its stuck cells and its trims, as JSON. The image belongs to all chips, this to one."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...model.design import Design
from ...model.files import write_json
from ...model.formats import DesignError, check_number
from ...model.layers import Layer
from .calibration import Trims
from .diagnosis import TRIM_LIMITS, TrimSteps
from .faults import HEALTHY, NAMES

FORMAT = "ohmgate chip record 1"
MIN_STEP = 1e-9  #: of a trim


@dataclass(frozen=True)
class ArrayRecord:
    """What is known of a layer's array; None: it was not measured."""

    kinds: np.ndarray | None = None  #: of each weight, indices of :data:`.faults.NAMES`: (rows, all_columns)
    trims: Trims | None = None


@dataclass(frozen=True)
class Event:
    """Something that was done to the chip."""

    what: str
    date: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ChipRecord:
    """One chip: ``serial`` is its number; ``macros`` are the names of its arrays' macros, which say what they are.

    ``trim_steps`` are those of its converters.
    """

    serial: str
    macros: tuple[str, ...]
    layers: tuple[ArrayRecord, ...]
    trim_steps: TrimSteps = field(default_factory=TrimSteps)
    events: tuple[Event, ...] = ()

    @classmethod
    def new(cls, serial: str, design: Design, trim_steps: TrimSteps | None = None) -> "ChipRecord":
        """Of a chip of which nothing is known but its trims' steps."""
        macros = tuple(layer.macro_name for layer in design.layers)
        return cls(serial, macros, (ArrayRecord(),) * len(macros), trim_steps or TrimSteps())

    def check(self, design: Design) -> None:
        """Raise :class:`DesignError` where it is of a chip of other arrays than ``design`` has."""
        macros = tuple(layer.macro_name for layer in design.layers)
        if macros != self.macros:
            raise DesignError(
                f"the chip record of {self.serial!r} is of a chip with the arrays {', '.join(self.macros)}, "
                f"but the design has {', '.join(macros)}"
            )

    def check_chip(self, serial: str, trim_steps: TrimSteps) -> None:
        """Raise :class:`DesignError` where it is of another chip than ``serial``, or of other trims."""
        if serial != self.serial:
            raise DesignError(f"the chip record is of the chip {self.serial!r}, not of {serial!r}")
        if trim_steps != self.trim_steps:
            raise DesignError(f"the chip record is of trims with {self.trim_steps}, but the chip's have {trim_steps}")

    def with_layer(self, index: int, **known: Any) -> "ChipRecord":
        """The same with other knowledge of a layer."""
        layers = list(self.layers)
        layers[index] = replace(layers[index], **known)
        return replace(self, layers=tuple(layers))

    def with_event(self, what: str, date: str, **figures: Any) -> "ChipRecord":
        """The same with an event more."""
        return replace(self, events=(*self.events, Event(what, date, figures)))

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        write_json(Path(path), self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, as the file has it."""
        return {
            "format": FORMAT,
            "serial": self.serial,
            "macros": list(self.macros),
            "trim_steps": asdict(self.trim_steps),
            "layers": [_layer(layer) for layer in self.layers],
            "events": [{"what": event.what, "date": event.date, **event.figures} for event in self.events],
        }

    @classmethod
    def load(cls, path: str | Path, design: Design) -> "ChipRecord":
        """Read the record of a chip of ``design``. Raises :class:`DesignError` with one sentence."""
        where = f"chip record {str(path)!r}"
        try:
            content = json.loads(Path(path).read_text())
        except OSError as error:
            raise DesignError(f"cannot read the {where}: {error.strerror}") from None
        except ValueError:
            raise DesignError(f"{where}: it is no JSON") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise DesignError(f"{where}: its format must be {FORMAT!r}")
        try:
            events = tuple(_read_event(dict(event)) for event in content["events"])
            steps = _read_steps(content["trim_steps"])
            record = cls(_text(content["serial"]), tuple(map(_text, content["macros"])), (), steps, events)
            record.check(design)
            layers = tuple(_read_layer(*part) for part in zip(design.layers, content["layers"], strict=True))
            return replace(record, layers=layers)
        except DesignError as error:
            raise DesignError(f"{where}: {error}") from None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DesignError(f"{where}: it does not hold what a record does ({error})") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _read_steps(content: dict[str, Any]) -> TrimSteps:
    offset = check_number("step of the offset trim in LSB", content["offset"], MIN_STEP, 1024.0)
    return TrimSteps(offset, check_number("step of the gain trim", content["gain"], MIN_STEP, 1.0))


def _read_event(content: dict[str, Any]) -> Event:
    return Event(_text(content.pop("what")), _text(content.pop("date")), content)


def _layer(layer: ArrayRecord) -> dict[str, Any]:
    content: dict[str, Any] = {"faults": None, "offset_trim": None, "gain_trim": None}
    if layer.kinds is not None:
        places = np.argwhere(layer.kinds != HEALTHY).tolist()
        content["faults"] = [[row, column, NAMES[layer.kinds[row, column]]] for row, column in places]
    if layer.trims is not None:
        content["offset_trim"], content["gain_trim"] = layer.trims.offset.tolist(), layer.trims.gain.tolist()
    return content


def _read_layer(layer: Layer, content: dict[str, Any]) -> ArrayRecord:
    kinds = trims = None
    if content["faults"] is not None:
        kinds = np.full((layer.rows, layer.all_columns), HEALTHY, dtype=np.int8)
        for row, column, name in content["faults"]:
            inside = 0 <= row < layer.rows and 0 <= column < layer.all_columns
            if not (type(row) is type(column) is int and inside and name in NAMES):
                raise DesignError(f"no cell of the array can be {[row, column, name]!r}")
            kinds[row, column] = NAMES.index(name)
    if content["offset_trim"] is not None:
        each = [np.array(content[name]) for name in ("offset_trim", "gain_trim")]
        low, high = TRIM_LIMITS
        for trim in each:
            if trim.shape != (layer.adcs,) or trim.dtype.kind != "i" or trim.min() < low or trim.max() > high:
                raise DesignError(f"trims must be {layer.adcs} integers from {low} to {high}, not {trim.tolist()!r}")
        trims = Trims(*each)
    return ArrayRecord(kinds, trims)
