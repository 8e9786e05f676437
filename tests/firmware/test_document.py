"""docs/image.md says what the code does."""

import re
from pathlib import Path

import numpy as np

from ohmgate.firmware import image
from ohmgate.firmware.c_header import ERRORS
from ohmgate.firmware.format import (
    CRC_BYTES,
    DIGEST_BYTES,
    GAIN_ENTRY,
    GEOMETRY,
    HEADER,
    SECTION,
    SECTIONS,
    SIGNATURE,
)
from ohmgate.model.design import Design
from ohmgate.model.layers import HARDWARE_BITS, LstmLayer
from tests.designs import random_network

TEXT = (Path(__file__).parents[2] / "docs" / "image.md").read_text(encoding="utf-8")


def part(title: str) -> str:
    """The text between a heading and the next one."""
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def test_every_structure_is_as_in_the_code():
    for title, record in (
        ("Header", HEADER), ("Head of a section", SECTION), ("GEOM", GEOMETRY), ("GAIN", GAIN_ENTRY), ("SIGN", SIGNATURE),
    ):  # fmt: skip
        lines = ["| offset | bytes | field | what |", "| --- | --- | --- | --- |"]
        lines += [f"| {offset} | {size} | {name} | {doc} |" for name, offset, size, doc in record.layout()]
        assert "\n".join(lines) + "\n" in part(title), title
        fields = [line for line in part(title).splitlines() if line.startswith("| ")][2:]
        assert [line.split(" | ")[2] for line in fields[: len(record.fields)]] == [
            name for name, _, _ in record.fields
        ]


def test_sections_and_errors_are_as_in_the_code():
    sections = [f"| {tag.decode()} | {doc} |" for tag, doc in SECTIONS.items()]
    assert [line for line in part("Sections").splitlines() if line.startswith("|")][2:] == sections
    errors = [f"| {number} | {name} | {doc} |" for number, (name, doc) in enumerate(ERRORS)]
    assert [line for line in part("Reading").splitlines() if line.startswith("|")][2:] == errors


def test_the_sizes_are_as_in_the_code():
    assert f"header      {HEADER.size} bytes\n" in TEXT
    assert f"CRC-32      {CRC_BYTES} bytes," in TEXT
    assert f"head of {SECTION.size} bytes" in TEXT
    assert f"SHA-256     {DIGEST_BYTES} bytes," in TEXT
    assert f"signature   {SECTION.size + SIGNATURE.size + CRC_BYTES} bytes," in TEXT
    assert f"at most {HARDWARE_BITS} bits for D, W and N" in part("Limits")


def test_an_image_can_be_read_by_the_document_alone():
    """Weights found by the document's rules, with none of the package's readers."""
    layer = LstmLayer(inputs=3, hidden=6, adcs=8, weight_bits=5)
    network = random_network(Design("example", (layer,)), np.random.default_rng(9))
    data, at = image.pack(network), 32
    while (tag := data[at : at + 4]) != b"WGHT":
        if tag == b"GEOM":
            columns, adcs, steps = (int.from_bytes(data[at + 12 + k :][:2], "little") for k in (14, 16, 18))
            gates = data[at + 12 + 1]
        at += 12 + int.from_bytes(data[at + 8 : at + 12], "little") + 4
    stream = int.from_bytes(data[at + 12 : at + 12 + int.from_bytes(data[at + 8 : at + 12], "little")], "little")
    weights = network.layers[0].weights
    lanes = adcs // gates
    for row in range(weights.shape[0]):
        for k in range(adcs):
            for s in range(steps):
                pattern = stream >> 5 * (row * columns + k * steps + s) & 31
                logical = k // lanes * (columns // gates) + s * lanes + k % lanes
                assert weights[row, logical] == (pattern - 32 if pattern & 16 else pattern)
