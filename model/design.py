"""The description of an accelerator: the one thing that training, reference, RTL, image and array all read.

A :class:`Design` is a sequence of layers (:mod:`.layers`), frozen and validated when it is made. Weights, gains and
tables are data (:mod:`.network`), so one design serves every model of its geometry.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .directions import check_directions, expanded, groups_of
from .files import write_text
from .formats import DesignError, check_choice, check_integer
from .layers import HARDWARE_BITS, INNER_OUTPUTS, KINDS, Layer
from .records import from_table, read_toml
from .tiles import largest_tile

CONTRACT_VERSION = 3  #: of docs/numerics.md; part of every fingerprint
RETIMING = ("conversion_cycles",)  #: fields that change timing but no number, so not in the fingerprint
DIAGNOSTICS = ("diagnostics", "spares")  #: likewise fields of what a host measures and repairs
WRITING = ("programming",)  #: likewise of how cells are written
TILING = ("tile_rows", "tile_columns")  #: likewise, but for the number of row tiles
MACRO = ("rows", "columns")  #: of the largest array, in a design's file
MOST_CONTEXTS = 16  #: sequences that share a chip's arrays
TABLE_RECIPE = {"adc_range", "function"}  #: fields that decide numbers only where tables are constant


@dataclass(frozen=True)
class Design:
    """A named chain of layers.

    ``data_registers``: the chip also takes time steps and gives results over its register bus (docs/rtl.md).
    ``contexts``: so many independent sequences share the arrays, step by step (docs/rtl.md). They change no number.

    Raises :class:`DesignError` with one sentence for the first rule that is broken.
    """

    name: str
    layers: tuple[Layer, ...]
    data_registers: bool = False
    contexts: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", self.name):
            raise DesignError(
                f"the design's name must be 1 to 63 of a-z, 0-9 and _ and begin with a letter, not {self.name!r}"
            )
        if self.name.startswith("ohmgate_"):
            raise DesignError(f"the design's name must not begin with ohmgate_, as modules do, but is {self.name!r}")
        if not isinstance(self.data_registers, bool):
            raise DesignError(f"data_registers must be true or false, not {self.data_registers!r}")
        check_integer("contexts", self.contexts, 1, MOST_CONTEXTS)
        if self.contexts > 1 and self.data_registers:
            raise DesignError(f"contexts of a design with data_registers must be 1, not {self.contexts}")
        if not 1 <= len(self.layers) <= 16:
            raise DesignError(f"a design must have 1 to 16 layers, not {len(self.layers)}")
        ended = False
        for index, layer in enumerate(self.layers):
            layer.check(f"layer {index}")
            if layer.diagnostics != self.layers[0].diagnostics:
                raise DesignError(
                    f"layer {index}: diagnostics must be as in layer 0, {str(self.diagnostics).lower()}, "
                    f"not {str(layer.diagnostics).lower()}"
                )
            if layer.programming != self.layers[0].programming:
                raise DesignError(
                    f"layer {index}: programming must be as in layer 0, {self.layers[0].programming}, "
                    f"not {layer.programming}"
                )
            last = index == len(self.layers) - 1
            inner = INNER_OUTPUTS[layer.kind]
            if not last and layer.output != inner:
                raise DesignError(
                    f"layer {index}: output must be {inner} unless the layer is the last, not {layer.output!r}"
                )
            if ended:
                raise DesignError(f"layer {index}: no layer can follow layer {index - 1}, whose emit is 'end'")
            ended = layer.at_end
        check_directions(self.layers)
        if self.max_steps and self.data_registers:
            raise DesignError(
                "data_registers must be false with layers in reverse, whose results come after a sequence's end, "
                "not true"
            )
        for before, after in pairwise(self.groups):
            self._check_hand_over(before, after)

    def _check_hand_over(self, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """Raise :class:`DesignError` unless the layers ``after`` take what those ``before`` hand on."""
        outputs, bits = sum(self.layers[k].outputs for k in before), self.layers[before[0]].output_bits
        ahead = f"layer {before[0]}" if len(before) == 1 else f"layers {before[0]} and {before[1]}"
        for index in after:
            following = self.layers[index]
            if following.inputs != outputs:
                raise DesignError(
                    f"layer {index}: inputs must be the {outputs} outputs of {ahead}, not {following.inputs}"
                )
            if following.input_bits != bits:
                which = "DAC bits" if following.input_bits == following.dac_bits else "input DAC bits"
                raise DesignError(
                    f"layer {index}: {which} must be the {bits} output bits of {ahead}, not {following.input_bits}"
                )

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the layers that take the same inputs, on the way of the data: one, or two that are joined."""
        return groups_of(self.layers)

    @property
    def max_steps(self) -> int:
        """Of the longest sequence that its layers in reverse keep; 0: it has none, and sequences have no end."""
        return max(layer.max_steps for layer in self.layers)

    @property
    def votes(self) -> int:
        """Sequences for each result of its last layer, whose codes a head adds up; 1: each has its own."""
        return self.layers[-1].votes

    @property
    def diagnostics(self) -> bool:
        """Do its layers have diagnostics? All of them do, or none."""
        return self.layers[0].diagnostics

    @property
    def pulsed(self) -> bool:
        """Are cells programmed by pulses, in a closed loop? Those of all layers are, or none."""
        return self.layers[0].programming == "pulse"

    def too_wide(self) -> tuple[int, str, int] | None:
        """Layer, name and bits of the first code wider than :data:`~ohmgate.model.layers.HARDWARE_BITS`, if any."""
        for index, layer in enumerate(self.layers):
            for name, bits in layer.code_bits.items():
                if bits > HARDWARE_BITS:
                    return index, name, bits
        return None

    def check_hardware(self) -> None:
        """Raise :class:`DesignError` for codes wider than the RTL takes."""
        if wide := self.too_wide():
            index, name, bits = wide
            check_integer(f"layer {index}: {name} bits of a design for RTL", bits, 1, HARDWARE_BITS)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: SHA-256 of all fields that can decide the numbers or the image's geometry.

        The name, the conversion time, data registers, contexts, diagnostics, spares and how cells are programmed are
        left out: they change no number. So are sizes of tiles, as the number of row tiles alone counts, and that
        where there is more than one. So is the recipe of tables that are loaded with the image. A field that one
        layer does not use, as output bits without a table, counts.
        """
        content = {"layer": self.to_dict()["layer"]}
        for layer, of in zip(content["layer"], self.layers):
            for field in RETIMING + DIAGNOSTICS + WRITING + TILING:
                layer.pop(field, None)
            if of.row_tiles > 1:
                layer["row_tiles"] = of.row_tiles
            if layer.get("input_dac_bits") == layer["dac_bits"]:
                del layer["input_dac_bits"]
            if layer["tables"] == "loaded":
                for field in TABLE_RECIPE & set(layer):
                    del layer[field]
        content["contract"] = CONTRACT_VERSION
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary in the shape of the TOML file, with every default of the layers written out.

        But for ``input_dac_bits``, ``input_tile_shift``, ``direction``, ``max_steps``, ``joined``, ``diagnostics``,
        ``spares``, ``programming``, ``votes`` and sizes of tiles, which are there only where they are set: older
        fingerprints and images have none. So are ``data_registers`` and ``contexts``. A ``macro`` table has become
        sizes of tiles.
        """
        layers = [{"kind": layer.kind, **asdict(layer), "adc_range": float(layer.adc_range)} for layer in self.layers]
        for content in layers:
            content.update({k: int(v) for k, v in content.items() if isinstance(v, np.integer)})
            if content.get("direction") == "forward":
                del content["direction"]
            for field in ("input_dac_bits", "input_tile_shift", "max_steps", "joined", *DIAGNOSTICS, *TILING):
                if not content.get(field, 1):
                    del content[field]
            if content.get("votes") == 1:
                del content["votes"]
            if content["programming"] == "level":
                del content["programming"]
        content: dict[str, Any] = {"name": self.name}
        if self.data_registers:
            content["data_registers"] = True
        if self.contexts > 1:
            content["contexts"] = int(self.contexts)
        return {**content, "layer": layers}

    def save(self, path: str | Path) -> None:
        """Write the TOML file, with every default written out: :meth:`load` makes an equal design of it."""
        file = Path(path)
        if file.suffix != ".toml":
            raise DesignError(f"a design's file must end in .toml, not {str(path)!r}")
        content = self.to_dict()
        layers = content.pop("layer")
        lines = [f"{key} = {json.dumps(value)}" for key, value in content.items()]
        for layer in layers:  # names, numbers and booleans: in TOML as in JSON
            lines += ["", "[[layer]]", *(f"{key} = {json.dumps(value)}" for key, value in layer.items())]
        write_text(file, "\n".join(lines) + "\n")

    @classmethod
    def from_dict(cls, content: dict[str, Any], source: str = "design") -> "Design":
        """Build from the dictionary of a TOML file; ``source`` names it in error sentences."""
        if not isinstance(content, dict):
            raise DesignError(f"{source}: a design must be a table, not {content!r}")
        content = {"name": None, **content}
        extra = set(content) - {"name", "data_registers", "contexts", "macro", "layer"}
        if extra:
            raise DesignError(
                f"{source}: unknown key {min(extra)!r}; a design has name, data_registers, contexts, [macro] and "
                "[[layer]]"
            )
        if not isinstance(content.get("layer"), list):
            raise DesignError(f"{source}: a design must have at least one [[layer]]")
        macro = _macro(content["macro"], source) if "macro" in content else None
        layers = tuple(_layer(entry, i, source, macro) for i, entry in enumerate(expanded(content["layer"])))
        try:
            return cls(content["name"], layers, content.get("data_registers", False), content.get("contexts", 1))
        except DesignError as error:
            raise DesignError(f"{source}: {error}") from None

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Design":
        """A preset by name (``vowels``), or a TOML file by its path."""
        file, name = Path(name_or_path), str(name_or_path)
        if file.suffix != ".toml":
            if name not in presets():
                raise DesignError(
                    f"design must be one of {', '.join(presets())} or a path to a .toml file, not {name!r}"
                )
            file = resources.files("ohmgate.designs") / f"{name}.toml"
        return cls.from_dict(read_toml(file, "design", name), name)


def presets() -> list[str]:
    """Names of the designs that come with the package."""
    folder = resources.files("ohmgate.designs")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def _macro(table: Any, source: str) -> dict[str, int]:
    """The largest array of a design: rows and columns."""
    if not isinstance(table, dict) or set(table) != set(MACRO):
        raise DesignError(f"{source}: macro must be a table of rows and columns, not {table!r}")
    return {name: check_integer(f"{source}: macro {name}", table[name], 1, 65536) for name in MACRO}


def _layer(entry: dict[str, Any], index: int, source: str, macro: dict[str, int] | None = None) -> Layer:
    where = f"{source}: layer {index}"
    if not isinstance(entry, dict):
        raise DesignError(f"{where}: must be a table, not {entry!r}")
    check_choice(f"{where}: kind", entry.get("kind"), tuple(KINDS))
    own = {key: value for key, value in entry.items() if key != "kind"}
    layer = from_table(KINDS[entry["kind"]], own, where, f"a {entry['kind']} layer")
    if macro:
        uncut = replace(layer, input_tile_shift=0) if "input_tile_shift" in own else layer  # it is of tiles to come
        uncut.check(where)  # before its sizes are taken for numbers
        layer = replace(layer, **largest_tile(own, macro, layer, where))
    return layer
