"""The description of an accelerator: the one thing that training, reference, RTL, image and array all read.

A :class:`Design` is a sequence of :class:`LstmLayer` and :class:`DenseLayer`, frozen and validated when it is
made. Weights, gains and tables are data (:mod:`.network`), so one design serves every model of its geometry.
"""

import hashlib
import json
import re
import tomllib
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import ClassVar

from .formats import DesignError, check_integer, full_scale
from .tables import DENSE_FUNCTIONS

CONTRACT_VERSION = 3  #: of docs/numerics.md; part of every fingerprint
GATES = ("f", "i", "o", "g")  #: forget, input, output, candidate: the order everywhere


def check_choice(name: str, value, choices) -> None:
    if value not in choices:
        raise DesignError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class ArrayLayer:
    """What both layer kinds share: an array of cells with DACs on its rows and ADCs on its columns."""

    inputs: int  #: m, input rows
    adcs: int  #: K, converters that share the columns
    dac_bits: int = 4  #: D, of the rows
    weight_bits: int = 4  #: W, of a differential pair of cells
    adc_bits: int = 4  #: N
    bias_rows: int = 1  #: extra rows driven at full scale
    adc_range: float = 4.0  #: nominal: pre-activations of -range..range span the ADC
    tables: str = "loaded"  #: "loaded" with the image, or "constant" in the RTL
    conversion_cycles: int = 0  #: 0: the macro says when (done); else the fixed time of a conversion

    def _check_array(self, where: str) -> None:
        check_integer(f"{where}: inputs", self.inputs, 1, 4096)
        check_integer(f"{where}: DAC bits", self.dac_bits, 1, 16)
        check_integer(f"{where}: weight bits", self.weight_bits, 1, 16)
        check_integer(f"{where}: ADC bits", self.adc_bits, 1, 16)
        check_integer(f"{where}: bias rows", self.bias_rows, 0, 64)
        check_integer(f"{where}: ADCs", self.adcs, 1, 4096)
        check_choice(f"{where}: tables", self.tables, ("loaded", "constant"))
        if self.conversion_cycles != 0 or isinstance(self.conversion_cycles, bool | float):
            try:
                check_integer(f"{where}: conversion cycles", self.conversion_cycles, 2, 4095)
            except DesignError as error:
                raise DesignError(f"{error} (or 0 for a done handshake)") from None
        number = type(self.adc_range) in (int, float)
        if not number or not 0 < self.adc_range <= 1024:
            raise DesignError(f"{where}: ADC range must be a number above 0 and at most 1024, not {self.adc_range!r}")

    @property
    def steps(self) -> int:
        """M: conversions of one time step, the columns that share an ADC."""
        return self.columns // self.adcs

    @property
    def adc_step(self) -> float:
        """Nominal ADC step in units of the pre-activation, from ``adc_range``."""
        return 2.0 * self.adc_range / 2**self.adc_bits

    @property
    def macro_name(self) -> str:
        """Name of the array macro; it holds every parameter, so two macros never share a name."""
        time = f"_t{self.conversion_cycles}" if self.conversion_cycles else ""
        drive = f"v{self.input_drive}" if self.input_drive > 1 else ""
        split = f"{self.inputs}{drive}p{self.hidden}" if self.hidden else f"{self.inputs}"
        return (
            f"ohmgate_array_{split}b{self.bias_rows}x{self.columns}_k{self.adcs}"
            f"_d{self.dac_bits}w{self.weight_bits}n{self.adc_bits}g{self.gates}{time}"
        )


@dataclass(frozen=True, kw_only=True)
class LstmLayer(ArrayLayer):
    """An LSTM layer: rows [x, h, bias], columns of the gates f, i, o, g (Ma et al., equations 1 to 6)."""

    kind: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4  #: groups of columns, each with a gain and a table

    hidden: int  #: n
    activation_bits: int = 8  #: A, of the gate tables and of tanh(c)
    cell_bits: int = 32  #: C
    cell_fraction: int = 24  #: F
    tanh_bits: int = 8  #: T, of the index into tanh(c)
    tanh_fraction: int = 5  #: Ft
    output: str = "codes"  #: "codes" of the DACs, or the "value" of h to A bits, for a host
    input_drive: int = 1  #: V: the inputs' DACs have V times the other rows' reference voltage

    def check(self, where: str) -> None:
        """Raise :class:`DesignError` for the first rule that this layer breaks."""
        self._check_array(where)
        check_integer(f"{where}: hidden units", self.hidden, 1, 4096)
        if self.adcs % 4 or self.hidden % (self.adcs // 4):
            raise DesignError(
                f"{where}: ADCs must be 4 times a divisor of the {self.hidden} hidden units, not {self.adcs}"
            )
        check_integer(f"{where}: activation bits", self.activation_bits, 2, 16)
        check_integer(f"{where}: cell bits", self.cell_bits, 4, 32)
        check_integer(f"{where}: cell fraction bits", self.cell_fraction, 0, self.cell_bits - 1)
        check_integer(f"{where}: tanh index bits", self.tanh_bits, 1, 12)
        check_integer(f"{where}: tanh fraction bits", self.tanh_fraction, 0, self.cell_fraction)
        check_choice(f"{where}: output", self.output, LSTM_OUTPUTS)
        check_integer(f"{where}: input drive", self.input_drive, 1, MAX_INPUT_DRIVE)

    @property
    def rows(self) -> int:
        return self.inputs + self.hidden + self.bias_rows

    @property
    def columns(self) -> int:
        return 4 * self.hidden

    @property
    def lanes(self) -> int:
        """P: element-wise lanes, the hidden units that one conversion delivers."""
        return self.adcs // 4

    @property
    def outputs(self) -> int:
        return self.hidden

    @property
    def output_bits(self) -> int:
        """Bits of what is handed on; the hidden codes share the DACs of the input."""
        return self.activation_bits if self.output == "value" else self.dac_bits

    @property
    def output_unit(self) -> float:
        """The hidden value that 1 stands for in what is handed on."""
        return 2.0 ** (1 - self.activation_bits) if self.output == "value" else 1 / full_scale(self.dac_bits)


@dataclass(frozen=True, kw_only=True)
class DenseLayer(ArrayLayer):
    """A fully connected layer: table to DAC codes, or the network's head."""

    kind: ClassVar[str] = "dense"
    gates: ClassVar[int] = 1
    hidden: ClassVar[int] = 0
    input_drive: ClassVar[int] = 1

    outputs: int
    output: str = "table"  #: "table" to DAC codes, "codes" of the ADC, or "argmax" (lowest index wins)
    output_bits: int = 4  #: of the DAC codes that "table" makes
    function: str = "identity"  #: of a default or constant table
    emit: str = "step"  #: a result on every "step", or one at the "end" of a sequence

    def check(self, where: str) -> None:
        """Raise :class:`DesignError` for the first rule that this layer breaks."""
        self._check_array(where)
        check_integer(f"{where}: outputs", self.outputs, 1, 16384)
        if self.outputs % self.adcs:
            raise DesignError(f"{where}: ADCs must be a divisor of the {self.outputs} outputs, not {self.adcs!r}")
        check_choice(f"{where}: output", self.output, ("table", "codes", "argmax"))
        check_choice(f"{where}: function", self.function, tuple(DENSE_FUNCTIONS))
        check_choice(f"{where}: emit", self.emit, ("step", "end"))
        check_integer(f"{where}: output bits", self.output_bits, 1, 16)

    @property
    def rows(self) -> int:
        return self.inputs + self.bias_rows

    @property
    def columns(self) -> int:
        return self.outputs

    @property
    def has_table(self) -> bool:
        return self.output == "table"


Layer = LstmLayer | DenseLayer
INNER_OUTPUTS = {"lstm": "codes", "dense": "table"}  #: DAC codes, which another layer takes
KINDS = {"lstm": LstmLayer, "dense": DenseLayer}
RETIMING = ("conversion_cycles",)  #: fields that change timing but no number, so not in the fingerprint
LSTM_OUTPUTS = ("codes", "value")
MAX_INPUT_DRIVE = 16  #: keeps the widest design's sums within reach of its gains
TABLE_RECIPE = {"adc_range", "function"}  #: fields that decide numbers only where tables are constant


@dataclass(frozen=True)
class Design:
    """A named chain of layers.

    Raises :class:`DesignError` with one sentence for the first rule that is broken.
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", self.name):
            raise DesignError(
                f"the design's name must be 1 to 63 of a-z, 0-9 and _ and begin with a letter, not {self.name!r}"
            )
        if not 1 <= len(self.layers) <= 16:
            raise DesignError(f"a design must have 1 to 16 layers, not {len(self.layers)}")
        ended = False
        for index, layer in enumerate(self.layers):
            layer.check(f"layer {index}")
            last = index == len(self.layers) - 1
            inner = INNER_OUTPUTS[layer.kind]
            if not last and layer.output != inner:
                raise DesignError(
                    f"layer {index}: output must be {inner} unless the layer is the last, not {layer.output!r}"
                )
            if ended:
                raise DesignError(f"layer {index}: no layer can follow layer {index - 1}, whose emit is 'end'")
            ended = layer.kind == "dense" and layer.emit == "end"
            if last:
                continue
            following = self.layers[index + 1]
            if following.inputs != layer.outputs:
                raise DesignError(
                    f"layer {index + 1}: inputs must be the {layer.outputs} outputs of layer {index}, "
                    f"not {following.inputs}"
                )
            if following.dac_bits != layer.output_bits:
                raise DesignError(
                    f"layer {index + 1}: DAC bits must be the {layer.output_bits} output bits "
                    f"of layer {index}, not {following.dac_bits}"
                )

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: SHA-256 of all that decides the numbers and the image's geometry.

        The name and the conversion time are left out: they change no number. So is the recipe of tables that
        are loaded with the image.
        """
        content = self.to_dict()
        del content["name"]
        for layer in content["layer"]:
            for field in RETIMING:
                del layer[field]
            if layer["tables"] == "loaded":
                for field in TABLE_RECIPE & set(layer):
                    del layer[field]
        content["contract"] = CONTRACT_VERSION
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_dict(self) -> dict:
        """Plain dictionary in the shape of the TOML file, with every default written out."""
        return {
            "name": self.name,
            "layer": [
                {"kind": layer.kind, **asdict(layer), "adc_range": float(layer.adc_range)} for layer in self.layers
            ],
        }

    @classmethod
    def from_dict(cls, content: dict, source: str = "design") -> "Design":
        """Build from the dictionary of a TOML file; ``source`` names it in error sentences."""
        if not isinstance(content, dict):
            raise DesignError(f"{source}: a design must be a table, not {content!r}")
        extra = set(content) - {"name", "layer"}
        if extra:
            raise DesignError(f"{source}: unknown key {min(extra)!r}; a design has name and [[layer]]")
        if not isinstance(content.get("layer"), list):
            raise DesignError(f"{source}: a design must have at least one [[layer]]")
        layers = tuple(_layer(entry, i, source) for i, entry in enumerate(content["layer"]))
        try:
            return cls(content.get("name"), layers)
        except DesignError as error:
            raise DesignError(f"{source}: {error}") from None

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Design":
        """A preset by name (``vowels``), or a TOML file by its path."""
        path = Path(name_or_path)
        if path.suffix == ".toml":
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                raise DesignError(f"cannot read design {str(path)!r}: {reason}") from None
        elif str(name_or_path) in presets():
            text = (resources.files("ohmgate.designs") / f"{name_or_path}.toml").read_text(encoding="utf-8")
        else:
            raise DesignError(
                f"design must be one of {', '.join(presets())} or a path to a .toml file, not {str(name_or_path)!r}"
            )
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DesignError(f"design {str(name_or_path)!r} is not valid TOML: {error}") from None
        return cls.from_dict(content, str(name_or_path))


def presets() -> list[str]:
    """Names of the designs that come with the package."""
    folder = resources.files("ohmgate.designs")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def _layer(entry: dict, index: int, source: str) -> Layer:
    where = f"{source}: layer {index}"
    if not isinstance(entry, dict):
        raise DesignError(f"{where}: must be a table, not {entry!r}")
    check_choice(f"{where}: kind", entry.get("kind"), tuple(KINDS))
    layer = KINDS[entry["kind"]]
    known = {f.name: f for f in fields(layer)}
    for key in entry:
        if key != "kind" and key not in known:
            raise DesignError(f"{where}: unknown key {key!r}; a {layer.kind} layer has {', '.join(sorted(known))}")
    required = {"inputs", "adcs", "hidden" if layer is LstmLayer else "outputs"}
    for key in sorted(required - set(entry)):
        raise DesignError(f"{where}: {key} is missing")
    return layer(**{k: v for k, v in entry.items() if k != "kind"})
