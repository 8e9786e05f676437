"""The programming image: a network as bytes, ready for a device's register bus.

The format is in :mod:`.format` and ``docs/image.md``. It is canonical: a network has one image, a valid image
stands for one network, and ``pack(unpack(data)) == data``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..model.design import CONTRACT_VERSION, Design
from ..model.files import whole
from ..model.layers import HARDWARE_BITS, Layer
from ..model.network import LayerData, Network, nominal_tables
from . import sections as codec
from .format import (
    GAIN,
    GEOM,
    META,
    NO_LAYER,
    TABL,
    WGHT,
    ImageError,
    section_name,
    section_order,
)
from .frame import Frame, Section, join, split
from .signing import check_signer

__all__ = ["ImageError", "pack", "read", "unpack", "write"]


def pack(network: Network) -> bytes:
    """The image of ``network``. Raises :class:`ImageError` for a network that no device takes."""
    design = network.design
    _check_bits(design, "the design")
    try:
        meta = codec.encode_meta(network)
    except ValueError as error:
        raise ImageError(f"section META: {error}") from None
    encoders = {
        GEOM: lambda layer, data: codec.encode_geometry(layer),
        WGHT: codec.encode_weights,
        GAIN: lambda layer, data: codec.encode_gains(data),
        TABL: codec.encode_tables,
    }
    sections = [Section(META, NO_LAYER, meta)]
    for tag, index in section_order(design.layers)[1:]:
        sections.append(Section(tag, index, encoders[tag](design.layers[index], network.layers[index])))
    return join(codec.version_of(network), design.fingerprint, sections)


def unpack(data: bytes, signed_by: bytes | None = None) -> Network:
    """The network in an image, signed or not. With ``signed_by``, a public key, the image must have its signature.

    Raises :class:`ImageError`, which says the section and the rule, for anything that :func:`pack` does not make.
    """
    frame = split(data)
    if signed_by is not None:
        check_signer(frame, signed_by)
    return decode(frame)


def decode(frame: Frame) -> Network:
    """The network in a checked container; errors as in :func:`unpack`."""
    if not frame.sections or frame.sections[0].tag != META:
        raise ImageError("section META: it must be the first section")
    design, host = _in_section(frame.sections[0], codec.decode_meta, frame.version)
    _check_bits(design, "section META")
    if design.fingerprint != frame.fingerprint:
        raise ImageError(
            f"header: the fingerprint must be {design.fingerprint} of the design in META by version "
            f"{CONTRACT_VERSION} of the numeric contract, not {frame.fingerprint}"
        )
    expected = section_order(design.layers)
    for position, (tag, layer) in enumerate(expected):
        found = frame.sections[position][:2] if position < len(frame.sections) else None
        if found != (tag, layer):
            instead = section_name(*found) if found else "the end"
            raise ImageError(f"{section_name(tag, layer)}: it is missing at position {position}, where {instead} is")
    if len(frame.sections) > len(expected):
        raise ImageError(f"{section_name(*frame.sections[len(expected)][:2])}: no section can follow the last table")
    by_layer: list[dict[bytes, Section]] = [{} for _ in design.layers]
    for section in frame.sections[1:]:
        by_layer[section.layer][section.tag] = section
    layers = tuple(_decode_layer(layer, found) for layer, found in zip(design.layers, by_layer))
    try:
        network = Network(design, layers, **host)
        canonical = codec.encode_meta(network)
    except ValueError as error:
        raise ImageError(f"section META: {error}") from None
    version = codec.version_of(network)
    if version != frame.version:
        raise ImageError(f"header: the format version must be {version} of what META has, not {frame.version}")
    if canonical != frame.sections[0].payload:
        raise ImageError("section META: it is not the canonical JSON of its content")
    return network


def read(path: str | os.PathLike[str], signed_by: bytes | None = None) -> Network:
    """As :func:`unpack`, of a file. Raises :class:`ImageError` for a file that cannot be read or is no such image."""
    data = read_bytes(path)
    with named(path):
        return unpack(data, signed_by)


@contextmanager
def named(path: str | os.PathLike[str]) -> Iterator[None]:
    """What is wrong with an image gets the name of its file."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"image {str(path)!r}: {error}") from None


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """An image file's bytes, not yet checked; :class:`ImageError` where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read image {str(path)!r}: {error.strerror}") from None


def write(path: str | os.PathLike[str], network: Network) -> None:
    """Write the image of ``network``; the file is whole or not there."""
    write_bytes(path, pack(network))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write an image's bytes; the file is whole or not there."""
    try:
        with whole(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise ImageError(f"cannot write image {str(path)!r}: {error.strerror}") from None


def _decode_layer(layer: Layer, found: dict[bytes, Section]) -> LayerData:
    _in_section(found[GEOM], codec.check_geometry, layer)
    weights = _in_section(found[WGHT], codec.decode_weights, layer)
    mult, shift = _in_section(found[GAIN], codec.decode_gains, layer)
    loaded = layer.loaded_table_bits > 0
    tables = _in_section(found[TABL], codec.decode_tables, layer) if loaded else nominal_tables(layer)
    return LayerData(weights, mult, shift, tables)


def _in_section(section: Section, function, *arguments):
    """``function(payload, *arguments)``, its error with the section's name."""
    try:
        return function(section.payload, *arguments)
    except ValueError as error:
        raise ImageError(f"{section_name(section.tag, section.layer)}: {error}") from None


def _check_bits(design: Design, where: str) -> None:
    if wide := design.too_wide():
        index, name, bits = wide
        raise ImageError(f"{where}: layer {index}: an image holds at most {HARDWARE_BITS} {name} bits, not {bits}")
