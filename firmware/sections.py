"""What the sections of an image hold: one pair of functions, encode and decode, for each tag.

Decoding is strict: every legal payload stands for exactly one value, and encoding that gives the payload
back. Decoders raise ``ValueError`` with what is wrong; :mod:`.image` adds the section's name.
"""

import json
from typing import Any

import numpy as np

from ..model.design import Design
from ..model.formats import from_wire, is_symmetric, to_wire
from ..model.layers import Layer
from ..model.layout import logical_order, physical_order
from ..model.network import INPUT_UNITS, MULT_BITS, OUTPUT_UNITS, SHIFT_BITS, LayerData, Network, table_patterns
from .bits import pack_bits, packed_size, unpack_bits
from .format import GAIN_ENTRY, GEOMETRY, geometry


def version_of(network: Network) -> int:
    """The format's version that the network needs: the lowest, so that a network has one image.

    A reader of version 1 would take a head's nominal unit for its real one, so it must refuse a network with another.
    """
    return 2 if network.output_scale or network.output_offset else 1


def units(version: int) -> tuple[str, ...]:
    """Fields of a network, and keys of META, that hold the host's scales."""
    return INPUT_UNITS if version == 1 else INPUT_UNITS + OUTPUT_UNITS


def encode_meta(network: Network) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII, floats in their shortest form that reads back the same."""
    for label in network.labels:
        if not isinstance(label, str) or not label.isprintable():
            raise ValueError(f"labels must be strings of printable characters, not {label!r}")
    content: dict[str, Any] = {"design": network.design.to_dict(), "labels": list(network.labels)}
    for name in units(version_of(network)):  # + 0.0: no negative zero, which equals 0
        content[name] = [float(v) + 0.0 for v in getattr(network, name)]
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode_meta(payload: bytes, version: int) -> tuple[Design, dict[str, Any]]:
    """The design, and the fields of :class:`Network` that belong to the host."""
    try:
        content = json.loads(payload.decode("ascii"))
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is not JSON in ASCII ({error})") from None
    keys = {"design", "labels", *units(version)}
    if not isinstance(content, dict) or set(content) != keys:
        raise ValueError(f"it must be an object with the keys {', '.join(sorted(keys))}")
    for key in units(version):
        if not isinstance(content[key], list) or not all(type(v) is float for v in content[key]):
            raise ValueError(f"{key} must be a list of floats (1.0, not 1)")
    labels = content["labels"]
    if not isinstance(labels, list) or not all(isinstance(v, str) for v in labels):
        raise ValueError("labels must be a list of strings")
    design = Design.from_dict(content["design"])
    return design, {key: tuple(content[key]) for key in (*units(version), "labels")}


def encode_geometry(layer: Layer) -> bytes:
    return GEOMETRY.pack(**geometry(layer))


def check_geometry(payload: bytes, layer: Layer) -> None:
    """Raise ``ValueError`` unless the payload is that of ``layer``."""
    _check_length(payload, GEOMETRY.size)
    found = GEOMETRY.unpack(payload)
    for name, value in geometry(layer).items():
        if found[name] != value:
            raise ValueError(f"{name} is {found[name]!r}, but the design in META has {value!r}")


def encode_weights(layer: Layer, data: LayerData) -> bytes:
    return pack_bits(weight_patterns(layer, data), layer.weight_bits)


def weight_patterns(layer: Layer, data: LayerData) -> np.ndarray:
    """Bit patterns (rows, physical columns) of the weights, int64."""
    return to_wire(np.asarray(data.weights)[:, physical_order(layer)], layer.weight_bits)


def decode_weights(payload: bytes, layer: Layer) -> np.ndarray:
    """Weight codes (rows, logical columns), int64."""
    count, bits = layer.rows * layer.columns, layer.weight_bits
    _check_length(payload, packed_size(count, bits))
    patterns = unpack_bits(payload, count, bits).reshape(layer.rows, layer.columns)
    codes = from_wire(patterns, bits)
    bad = np.argwhere(~is_symmetric(codes, bits))
    if len(bad):
        row, column = (int(v) for v in bad[0])
        raise ValueError(
            f"the cell at row {row}, physical column {column} holds {int(codes[row, column])}, "
            f"which is no symmetric {bits}-bit code"
        )
    return np.ascontiguousarray(codes[:, logical_order(layer)])


def encode_gains(data: LayerData) -> bytes:
    return b"".join(GAIN_ENTRY.pack(mult=int(m), shift=int(s)) for m, s in zip(data.mult, data.shift))


def decode_gains(payload: bytes, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """mult and shift of every gate, int64."""
    _check_length(payload, GAIN_ENTRY.size * layer.gates)
    pairs = np.frombuffer(payload, dtype=np.uint8).reshape(layer.gates, 2).astype(np.int64)
    for gate, (mult, shift) in enumerate(pairs.tolist()):
        if not 1 <= mult < 2**MULT_BITS or shift >= 2**SHIFT_BITS:
            raise ValueError(f"the gain of gate {gate} must be 1..255 / 2^(0..63), not {mult} / 2^{shift}")
    return pairs[:, 0], pairs[:, 1]


def encode_tables(layer: Layer, data: LayerData) -> bytes:
    """16 bits for each entry, gate after gate."""
    return table_patterns(layer, data.tables).astype("<u2").tobytes()


def decode_tables(payload: bytes, layer: Layer) -> np.ndarray:
    """Entries (gates, entries of a gate), int64."""
    entries, bits = layer.table_entries, layer.table_bits
    _check_length(payload, 2 * layer.gates * entries)
    patterns = np.frombuffer(payload, dtype="<u2").reshape(layer.gates, entries).astype(np.int64)
    bad = np.argwhere(patterns >= 2**bits)
    if layer.kind != "lstm":
        values = from_wire(patterns, bits)
        bad = bad if len(bad) else np.argwhere(~is_symmetric(values, bits))
    else:
        values = patterns.copy()
        values[3] = from_wire(patterns[3], bits)  # g is signed, f, i and o are not
    if len(bad):
        gate, entry = (int(v) for v in bad[0])
        raise ValueError(
            f"entry {entry} of gate {gate} holds 0x{int(patterns[gate, entry]):x}, which is no legal {bits}-bit entry"
        )
    return values


def _check_length(payload: bytes, length: int) -> None:
    if len(payload) != length:
        raise ValueError(f"it must have {length} bytes, not {len(payload)}")
