"""Layout of the programming image: magic, records, section tags. ``docs/image.md`` describes it in words.

One source for packer, reader, C header and documentation. All numbers are little-endian.
"""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..model.layers import Layer

MAGIC = b"OHMGATE\n"
FORMAT_VERSIONS = (1, 2)  #: 2: META has the scale and offset of the outputs
NO_LAYER = 0xFFFFFFFF  #: the layer number of META
DIGEST_BYTES = 32  #: SHA-256, the last bytes of an image
CRC_BYTES = 4  #: behind the header and behind every section
COLUMN_ORDER = 1  #: column k*M + s is read by ADC k in conversion s (ohmgate.model.layout)
GATE_ORDER = {"lstm": b"fiog", "rnn": b"z\0\0\0", "dense": b"z\0\0\0"}
KIND_NUMBERS = {"lstm": 0, "dense": 1, "rnn": 2}

SIGN = b"SIGN"  #: behind the image, where it is signed
META, GEOM, WGHT, GAIN, TABL = b"META", b"GEOM", b"WGHT", b"GAIN", b"TABL"
SECTIONS = {
    META: "the design, labels, scales and offsets of inputs and outputs as canonical JSON",
    GEOM: "array geometry and formats of a layer",
    WGHT: "weight levels in physical column order",
    GAIN: "ADC gain of each gate",
    TABL: "look-up table of each gate",
}


class ImageError(ValueError):
    """An image, or a network that no image can hold, breaks a rule; the message is one sentence."""


@dataclass(frozen=True)
class Record:
    """A packed C structure: ``(name, struct code, meaning)`` for each field, little-endian without padding."""

    name: str
    fields: tuple[tuple[str, str, str], ...]

    @cached_property
    def struct(self) -> struct.Struct:
        return struct.Struct("<" + "".join(code for _, code, _ in self.fields))

    @property
    def size(self) -> int:
        return self.struct.size

    def layout(self) -> list[tuple[str, int, int, str]]:
        """``(name, offset, bytes, meaning)`` of every field."""
        rows, offset = [], 0
        for name, code, doc in self.fields:
            size = struct.calcsize("<" + code)
            rows.append((name, offset, size, doc))
            offset += size
        return rows

    def pack(self, **values) -> bytes:
        return self.struct.pack(*(values[name] for name, _, _ in self.fields))

    def unpack(self, data: bytes) -> dict[str, Any]:
        return dict(zip((name for name, _, _ in self.fields), self.struct.unpack(data)))


HEADER = Record(
    "HEADER",
    (
        ("magic", "8s", "`OHMGATE` and a line feed"),
        ("version", "I", "format version: 2 where META has a scale or offset of the outputs, else 1"),
        ("length", "I", "bytes of the whole image, digest included"),
        ("fingerprint", "Q", "of the design; the low word is the register FINGERPRINT_LOW"),
        ("sections", "I", "number of sections"),
    ),
)
SECTION = Record(
    "SECTION",
    (
        ("tag", "4s", "which section"),
        ("layer", "I", "layer number from 0; 0xFFFFFFFF in META"),
        ("length", "I", "bytes of the payload"),
    ),
)
GEOMETRY = Record(
    "GEOM",
    (
        ("kind", "B", "0: LSTM, 1: dense, 2: RNN"),
        ("gates", "B", "G: 4 for an LSTM, else 1"),
        ("dac_bits", "B", "D, 1..8; plus 16 times Dx, 1..8, where input rows have DACs of other bits"),
        ("weight_bits", "B", "W, 1..8; plus 16 times the input tile shift, 0..4"),
        ("adc_bits", "B", "N, 1..8; plus 16 times R - 1, of R row tiles"),
        ("table_bits", "B", "bits of a table entry; 0: the image holds no table of this layer"),
        ("column_order", "B", "1: column k*M + s is read by ADC k in conversion s"),
        ("bias_rows", "B", "the last rows, always driven at full scale"),
        ("inputs", "H", "m, the first rows"),
        ("hidden", "H", "n, the rows behind the inputs; 0 in a dense layer"),
        ("rows", "H", "inputs + hidden + bias rows"),
        ("columns", "H", "columns, that is K * M"),
        ("adcs", "H", "K"),
        ("conversions", "H", "M, conversions of one time step"),
        ("gate_order", "4s", "`fiog` for an LSTM; else `z` and zeros"),
    ),
)
GAIN_ENTRY = Record("GAIN", (("mult", "B", "1..255"), ("shift", "B", "0..63")))
SIGNATURE = Record(
    "SIGN",
    (
        ("key", "32s", "Ed25519 public key of the signer"),
        ("signature", "64s", "of the image's header and SHA-256, by Ed25519"),
    ),
)


def geometry(layer: Layer) -> dict[str, int | bytes]:
    """Values of the GEOM record of ``layer``."""
    return {
        "kind": KIND_NUMBERS[layer.kind],
        "gates": layer.gates,
        "dac_bits": layer.dac_bits | layer.own_input_bits << 4,
        "weight_bits": layer.weight_bits | layer.input_tile_shift << 4,
        "adc_bits": layer.adc_bits | layer.row_tiles - 1 << 4,
        "table_bits": layer.loaded_table_bits,
        "column_order": COLUMN_ORDER,
        "bias_rows": layer.bias_rows,
        "inputs": layer.inputs,
        "hidden": layer.hidden,
        "rows": layer.rows,
        "columns": layer.columns,
        "adcs": layer.adcs,
        "conversions": layer.conversions,
        "gate_order": GATE_ORDER[layer.kind],
    }


def section_order(layers: tuple[Layer, ...]) -> list[tuple[bytes, int]]:
    """``(tag, layer)`` of every section of an image, in order."""
    order = [(META, NO_LAYER)]
    for index, layer in enumerate(layers):
        order += [(GEOM, index), (WGHT, index), (GAIN, index)]
        if layer.loaded_table_bits:
            order.append((TABL, index))
    return order


def section_name(tag: bytes, layer: int) -> str:
    """How sentences call a section: ``section WGHT of layer 0``."""
    return f"section {tag.decode()}" + ("" if layer == NO_LAYER else f" of layer {layer}")
