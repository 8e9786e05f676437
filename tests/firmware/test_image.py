"""The image format: exact round trips, one image for a network, a sentence for every broken rule."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.firmware import image
from ohmgate.firmware.bits import pack_bits, packed_size, unpack_bits
from ohmgate.firmware.format import GAIN, GEOM, META, NO_LAYER, TABL, WGHT, section_order
from ohmgate.firmware.frame import Section, join, split
from ohmgate.firmware.image import ImageError
from ohmgate.model.design import CONTRACT_VERSION, Design, presets
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import LayerData, Network, nominal_tables
from tests.designs import perhaps_tiled, random_design, random_network, seeds
from tests.firmware.damage import forge, replaced

DESIGN = Design(
    "example",
    (
        LstmLayer(inputs=3, hidden=2, adcs=4, weight_bits=3, adc_bits=2, activation_bits=7),
        DenseLayer(inputs=2, outputs=3, adcs=1, output_bits=2, adc_bits=3),
    ),
)


def example(**options) -> Network:
    """A network without units of its outputs, unless ``options`` give some."""
    plain = {"output_scale": (), "output_offset": ()}
    return dataclasses.replace(random_network(DESIGN, np.random.default_rng(4), labels=True), **(plain | options))


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_unpack_gives_the_network_back_and_pack_the_bytes(seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_tiled(random_design(rng), rng), rng)
    data = image.pack(network)
    found = image.unpack(data)
    assert found == network
    assert found.design.fingerprint == network.design.fingerprint
    assert image.pack(found) == data


@pytest.mark.parametrize("name", presets())
def test_every_preset_packs(name):
    network = random_network(Design.load(name), np.random.default_rng(0))
    assert image.unpack(image.pack(network)) == network


def test_the_bytes_of_an_image_do_not_depend_on_types():
    network = example()
    narrow = tuple(
        LayerData(
            d.weights.astype(np.int8), d.mult.astype(np.uint8), d.shift.astype(np.int32), d.tables.astype(">i4")
        )
        for d in network.layers
    )
    assert image.pack(dataclasses.replace(network, layers=narrow)) == image.pack(network)


def test_negative_zero_is_packed_as_zero():
    for field in ("input_offset", "output_offset"):
        network = example(**{field: (0.0, 1.0, 2.0)})
        assert image.pack(example(**{field: (-0.0, 1, 2)})) == image.pack(network)


@pytest.mark.parametrize("units, version", [
    ({}, 1), ({"output_scale": (0.5, -2.0, 1e-300)}, 2), ({"output_offset": (0.0, 1.5, 1 / 3)}, 2),
    ({"output_scale": (1e16, 0.1, 5e-324), "output_offset": (-1.0, 0.0, 1.7976931348623157e308)}, 2),
])  # fmt: skip
def test_units_of_outputs_are_kept_to_the_bit_and_need_version_2(units, version):
    """A reader of version 1 would decode with the nominal unit: it must refuse an image with another one."""
    network = example(**units)
    data = image.pack(network)
    assert int.from_bytes(data[8:12], "little") == version
    assert image.unpack(data) == network
    meta = json.loads(split(data).sections[0].payload)
    assert {"output_scale", "output_offset"} & set(meta) == ({"output_scale", "output_offset"} if units else set())


def test_an_image_of_before_has_the_bytes_of_today():
    """Digest by a packer that knew no version 2."""
    network = dataclasses.replace(
        random_network(Design.load("vowels"), np.random.default_rng(0), labels=True), labels=tuple("abcdefghi")
    )
    before = "99dcb33a00a227a23840a4cc758546063ef0b165c67c3dab98fe5858d96003ce"
    assert hashlib.sha256(image.pack(network)).hexdigest() == before


def test_sections_come_in_a_fixed_order_and_constant_tables_are_left_out():
    first = dataclasses.replace(DESIGN.layers[0], tables="constant")
    network = random_network(Design("example", (first, DESIGN.layers[1])), np.random.default_rng(0))
    data = image.pack(network)
    order = [(META, NO_LAYER), (GEOM, 0), (WGHT, 0), (GAIN, 0), (GEOM, 1), (WGHT, 1), (GAIN, 1), (TABL, 1)]
    assert [s[:2] for s in split(data).sections] == order == section_order(network.design.layers)
    assert np.array_equal(image.unpack(data).layers[0].tables, nominal_tables(first))


@pytest.mark.parametrize("output, bits", [("table", 2), ("codes", 0), ("argmax", 0)])
def test_heads_carry_no_table(output, bits):
    layer = dataclasses.replace(DESIGN.layers[1], output=output)
    assert layer.loaded_table_bits == bits


def test_two_four_bit_levels_share_a_byte_the_first_in_the_low_half():
    design = Design("tiny", (DenseLayer(inputs=1, outputs=4, adcs=2, output="codes"),))
    weights = np.array([[1, 2, 3, -4], [5, -6, 7, 0]])
    network = Network(design, (LayerData(weights, np.array([9]), np.array([8]), None),))
    sections = {s.tag: s.payload for s in split(image.pack(network)).sections}
    # Physical columns: ADC 0 reads outputs 0 and 2 in steps 0 and 1, ADC 1 outputs 1 and 3.
    assert sections[WGHT] == bytes([0x31, 0xC2, 0x75, 0x0A])
    assert sections[GAIN] == bytes([9, 8])


def test_table_entries_are_bit_patterns_of_16_bits():
    data = image.pack(example())
    lstm, dense = (s.payload for s in split(data).sections if s.tag == TABL)
    tables = [d.tables for d in example().layers]
    assert lstm == (tables[0] & 0x7F).astype("<u2").tobytes()
    assert dense == (tables[1] & 3).astype("<u2").tobytes()


@given(st.integers(1, 8), st.binary(min_size=1, max_size=40))
def test_bits_are_packed_without_gaps(bits, raw):
    patterns = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) & (2**bits - 1)
    packed = pack_bits(patterns, bits)
    assert int.from_bytes(packed, "little") == sum(int(p) << bits * k for k, p in enumerate(patterns))
    assert len(packed) == packed_size(len(patterns), bits)
    assert np.array_equal(unpack_bits(packed, len(patterns), bits), patterns)


def test_write_and_read(tmp_path):
    path = tmp_path / "a.img"
    path.write_bytes(b"an older file")
    image.write(path, example())
    assert path.read_bytes() == image.pack(example())
    assert image.read(path) == example()
    assert [p.name for p in tmp_path.iterdir()] == ["a.img"]


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(ImageError, match=r"^cannot read image '.*none.img': No such file or directory$"):
        image.read(tmp_path / "none.img")
    with pytest.raises(ImageError, match=r"^cannot write image '.*': No such file or directory$"):
        image.write(tmp_path / "missing" / "a.img", example())
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ImageError, match=r"^cannot write image '.*folder': Is a directory$"):
        image.write(folder, example())
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    "field, name",
    [("dac_bits", "DAC"), ("weight_bits", "weight"), ("adc_bits", "ADC"), ("output_bits", "output")],
)
def test_more_than_eight_bits_are_refused(field, name):
    layer = dataclasses.replace(DESIGN.layers[1], **{field: 9})
    network = random_network(Design("wide", (layer,)), np.random.default_rng(0))
    with pytest.raises(ImageError) as error:
        image.pack(network)
    assert str(error.value) == f"the design: layer 0: an image holds at most 8 {name} bits, not 9"


@pytest.mark.parametrize("output", ["codes", "argmax"])
def test_output_bits_that_no_table_has_are_not_looked_at(output):
    layer = dataclasses.replace(DESIGN.layers[1], output=output, output_bits=16)
    network = random_network(Design("head", (layer,)), np.random.default_rng(0))
    assert image.unpack(image.pack(network)) == network


@pytest.mark.parametrize("label", [3, "two\nlines", "\ud800"])
def test_labels_must_be_printable(label):
    with pytest.raises(ImageError) as error:
        image.pack(example(labels=("a", "b", label)))
    assert str(error.value) == f"section META: labels must be strings of printable characters, not {label!r}"


def sentence(data: bytes) -> str:
    with pytest.raises(ImageError) as error:
        image.unpack(data)
    return str(error.value)


def with_meta(**changes) -> bytes:
    """The example's image with other fields in META, everything else made good."""

    def change(payload):
        content = json.loads(payload) | changes
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    return replaced(image.pack(example()), META, change)


def test_sentences_of_the_header_and_the_digest():
    data = image.pack(example())
    assert sentence(b"OHM") == "header: an image must have at least 64 bytes, not 3"
    assert sentence(b"X" + data[1:]) == r"header: an image must begin with b'OHMGATE\n', not b'XHMGATE\n'"
    sections = split(data).sections
    fingerprint = int(DESIGN.fingerprint, 16)
    assert sentence(forge(sections, version=3)) == "header: the format version must be 1 or 2, not 3"
    assert sentence(data + b"\0") == f"header: the image must have {len(data)} bytes, not {len(data) + 1}"
    at = len(data) - 32
    assert (
        sentence(forge(sections, sections=7)) == f"header: 7 sections end at byte {at - 50}, "
        f"but the digest begins at byte {at}"
    )
    assert sentence(forge(sections, sections=10)) == "section 9: 0 bytes are left, too few for a section"
    assert sentence(forge(sections, fingerprint=1)) == (
        f"header: the fingerprint must be {DESIGN.fingerprint} of the design in META by version {CONTRACT_VERSION} of the "
        "numeric contract, not 0000000000000001"
    )
    assert image.unpack(forge(sections, fingerprint=fingerprint)) == example()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    assert sentence(flipped) == "digest: the SHA-256 of the image does not agree with its content"
    flipped = data[:9] + bytes([data[9] ^ 1]) + data[10:]
    assert sentence(flipped).startswith("header: its CRC-32 is 0x")


def test_sentences_of_the_order_of_sections():
    data = image.pack(example())
    sections = split(data).sections
    fingerprint = int(DESIGN.fingerprint, 16)

    def forged(parts):
        return sentence(forge(parts, fingerprint=fingerprint))

    assert forged([]) == "section META: it must be the first section"
    assert forged(sections[1:]) == "section META: it must be the first section"
    assert forged([sections[0], *sections[2:]]) == (
        "section GEOM of layer 0: it is missing at position 1, where section WGHT of layer 0 is"
    )
    assert forged(sections[:-1]) == "section TABL of layer 1: it is missing at position 8, where the end is"
    assert (
        forged([*sections, Section(GEOM, 2, b"")]) == "section GEOM of layer 2: no section can follow the last table"
    )
    assert forged([Section(b"FROB", 0, b"")]) == (
        "section 0: the tag must be one of META, GEOM, WGHT, GAIN, TABL, not b'FROB'"
    )
    assert forged([Section(META, 0, b"")]) == (
        "section 0: section META of layer 0 cannot be, because META and only META belongs to no layer"
    )
    assert forged([(META, NO_LAYER, b"{}", 2**32 - 1)]) == (
        "section META: its length is 4294967295 bytes, but only 2 are left"
    )


def test_sentences_of_meta():
    def forged(payload):
        return sentence(replaced(image.pack(example()), META, lambda _: payload))

    assert forged(b"[" * 100_000) == "section META: its JSON is nested too deeply"
    assert forged(b"\xff").startswith("section META: it is not JSON in ASCII ('ascii' codec can't decode")
    keys = "section META: it must be an object with the keys design, input_offset, input_scale, labels"
    assert forged(b"{}") == keys
    assert sentence(with_meta(output_scale=[], output_offset=[])) == keys
    scaled = example(output_scale=(0.5, 0.5, 0.5))
    assert sentence(replaced(image.pack(scaled), META, lambda _: b"{}")) == f"{keys}, output_offset, output_scale"

    def units(**changes):
        def change(payload):
            return json.dumps(json.loads(payload) | changes, sort_keys=True, separators=(",", ":")).encode()

        return sentence(replaced(image.pack(scaled), META, change))

    assert units(output_scale=[]) == "header: the format version must be 1 of what META has, not 2"
    frame = split(image.pack(scaled))
    assert frame.version == 2
    older = join(1, frame.fingerprint, frame.sections)  # which readers of version 1 would take, without the scale
    assert sentence(older) == keys
    assert units(output_scale=[1, 2, 3]) == "section META: output_scale must be a list of floats (1.0, not 1)"
    assert units(output_scale=[1.0]) == "section META: output_scale must be 3 finite numbers, not (1.0,)"
    assert units(output_scale=[1.0, 0.0, 1.0]) == (
        "section META: output_scale must be numbers other than 0, not (1.0, 0.0, 1.0)"
    )
    assert units(output_offset=[1.0, 2.0, float("inf")]) == (
        "section META: output_offset must be 3 finite numbers, not (1.0, 2.0, inf)"
    )
    assert units(output_offset=[1.0, 2.0, -0.0]) == "section META: it is not the canonical JSON of its content"
    assert sentence(with_meta(labels=[1])) == "section META: labels must be a list of strings"
    assert sentence(with_meta(labels=["\ud800", "b", "c"])) == (
        r"section META: labels must be strings of printable characters, not '\ud800'"
    )
    assert sentence(with_meta(labels=["a"])) == "section META: labels must name the 3 outputs, not 1"
    assert sentence(with_meta(input_scale=[1, 2, 3])) == (
        "section META: input_scale must be a list of floats (1.0, not 1)"
    )
    assert sentence(with_meta(input_scale=[1.0, 2.0, float("nan")])) == (
        "section META: input_scale must be 3 finite numbers, not (1.0, 2.0, nan)"
    )
    assert sentence(with_meta(input_offset=[1.0, 2.0, -0.0])) == (
        "section META: it is not the canonical JSON of its content"
    )
    assert sentence(with_meta(design={"name": "a", "layer": []})) == (
        "section META: design: a design must have 1 to 16 layers, not 0"
    )
    design = DESIGN.to_dict()
    design["layer"][1]["adc_bits"] = 9
    assert sentence(with_meta(design=design)) == ("section META: layer 1: an image holds at most 8 ADC bits, not 9")
    design["layer"][1] |= {"adc_bits": 8, "output_bits": 16}
    assert sentence(with_meta(design=design)) == (
        "section META: layer 1: an image holds at most 8 output bits, not 16"
    )
    for value in (False, 0.0):  # equal to the 0 that belongs there
        design = DESIGN.to_dict()
        design["layer"][0]["conversion_cycles"] = value
        assert "conversion cycles must be an integer" in sentence(with_meta(design=design))
    spaced = json.dumps(json.loads(split(image.pack(example())).sections[0].payload), sort_keys=True).encode()
    assert forged(spaced) == "section META: it is not the canonical JSON of its content"


def set_byte(at: int, value: int):
    return lambda payload: payload[:at] + bytes([value]) + payload[at + 1 :]


@pytest.mark.parametrize(
    "tag, layer, change, expected",
    [
        (GEOM, 0, lambda p: p[:-1], "it must have 24 bytes, not 23"),
        (GEOM, 0, set_byte(0, 1), "kind is 1, but the design in META has 0"),
        (GEOM, 1, set_byte(6, 2), "column_order is 2, but the design in META has 1"),
        (GEOM, 0, set_byte(20, 0x67), "gate_order is b'giog', but the design in META has b'fiog'"),
        (WGHT, 0, lambda p: p + b"\0", "it must have 18 bytes, not 19"),
        (
            WGHT, 0, set_byte(0, 0o40),
            "the cell at row 0, physical column 1 holds -4, which is no symmetric 3-bit code",
        ),
        (WGHT, 1, set_byte(4, 0x80), "the bits that fill the last byte must be zero"),
        (GAIN, 0, lambda p: b"", "it must have 8 bytes, not 0"),
        (GAIN, 0, lambda p: b"\1\1\1\1\0\1\1\1", "the gain of gate 2 must be 1..255 / 2^(0..63), not 0 / 2^1"),
        (GAIN, 1, lambda p: b"\1\x40", "the gain of gate 0 must be 1..255 / 2^(0..63), not 1 / 2^64"),
        (TABL, 0, lambda p: p[2:], "it must have 32 bytes, not 30"),
        (TABL, 0, set_byte(10, 0x80), "entry 1 of gate 1 holds 0x80, which is no legal 7-bit entry"),
        (TABL, 1, set_byte(2, 2), "entry 1 of gate 0 holds 0x2, which is no legal 2-bit entry"),
    ],
)  # fmt: skip
def test_sentences_of_layers(tag, layer, change, expected):
    data = image.pack(dataclasses.replace(example(), layers=tuple(_plain(d) for d in example().layers)))
    assert sentence(replaced(data, tag, change, layer)) == f"section {tag.decode()} of layer {layer}: {expected}"


def _plain(data: LayerData) -> LayerData:
    """Small values, so that a changed byte breaks one rule only."""
    return dataclasses.replace(data, weights=np.ones_like(data.weights), tables=np.zeros_like(data.tables))
