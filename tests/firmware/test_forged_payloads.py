"""Weights, gains and table entries that are not legal: refused by the Python and the C reader, at every place."""

import numpy as np
import pytest

from ohmgate.firmware import image
from ohmgate.firmware.format import GAIN, GEOM, TABL, WGHT
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from ohmgate.model.network import LayerData, Network
from tests.designs import random_network
from tests.firmware.both_readers import check_refused, example, sentence
from tests.firmware.damage import replaced

SIZES = {GEOM: (24, 24), WGHT: (18, 5), GAIN: (8, 2), TABL: (32, 16)}


@pytest.mark.parametrize("change", [-1, +1])
@pytest.mark.parametrize("tag, layer, size", [(tag, k, size) for tag in SIZES for k, size in enumerate(SIZES[tag])])
def test_the_length_of_a_section(driver, tag, layer, size, change):
    data = replaced(example(), tag, lambda p: p[:-1] if change < 0 else p + b"\0", layer)
    words = f"it must have {size} bytes, not {size + change}"
    check_refused(driver, data, "SECTION", f"section {tag.decode()} of layer {layer}: {words}")


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_cell_is_symmetric(driver, bits):
    """In the first and the last cell; all bit patterns of one cell are legal but the most negative."""
    layer = DenseLayer(inputs=3, outputs=5, adcs=1, weight_bits=bits, bias_rows=0, output="codes")
    design = Design("one", (layer,))
    ones = Network(design, (LayerData(np.ones((3, 5), dtype=np.int64), np.array([1]), np.array([0]), None),))
    right = image.pack(ones)
    for cell in (0, 14):
        for pattern in range(2**bits):

            def change(payload, cell=cell, pattern=pattern):
                number = int.from_bytes(payload, "little")
                number &= ~(2**bits - 1 << cell * bits)
                return (number | pattern << cell * bits).to_bytes(len(payload), "little")

            data = replaced(right, WGHT, change)
            if bits > 1 and pattern == 2 ** (bits - 1):
                row, column = divmod(cell, 5)
                assert sentence(data) == (
                    f"section WGHT of layer 0: the cell at row {row}, physical column {column} holds {-pattern}, "
                    f"which is no symmetric {bits}-bit code"
                )
                assert driver.check(data) == "VALUE"
            else:
                assert image.pack(image.unpack(data)) == data
                assert driver.check(data) == "OK"


@pytest.mark.parametrize("cells", range(1, 8))
def test_every_filling_bit_is_zero(driver, cells):
    """``cells`` cells of 3 bits leave 8 - 3 * cells mod 8 bits of the last byte."""
    layer = DenseLayer(inputs=1, outputs=cells, adcs=1, weight_bits=3, bias_rows=0, output="codes")
    right = image.pack(random_network(Design("one", (layer,)), np.random.default_rng(cells)))
    free = -3 * cells % 8
    assert free > 0
    for bit in range(8 - free, 8):
        data = replaced(right, WGHT, lambda p, bit=bit: p[:-1] + bytes([p[-1] | 1 << bit]))
        assert sentence(data) == "section WGHT of layer 0: the bits that fill the last byte must be zero"
        assert driver.check(data) == "VALUE"


@pytest.mark.parametrize("layer, gate", [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)])
@pytest.mark.parametrize("mult, shift, legal", [
    (0, 0, False), (0, 63, False), (1, 64, False), (255, 255, False), (1, 128, False),
    (1, 0, True), (255, 63, True), (1, 63, True), (255, 0, True),
])  # fmt: skip
def test_gains(driver, layer, gate, mult, shift, legal):
    data = replaced(example(), GAIN, lambda p: p[: 2 * gate] + bytes([mult, shift]) + p[2 * gate + 2 :], layer)
    if legal:
        found = image.unpack(data).layers[layer]
        assert (found.mult[gate], found.shift[gate]) == (mult, shift)
        assert driver.check(data) == "OK"
    else:
        words = f"the gain of gate {gate} must be 1..255 / 2^(0..63), not {mult} / 2^{shift}"
        check_refused(driver, data, "VALUE", f"section GAIN of layer {layer}: {words}")


TABLE_ENTRIES = [  # layer, number of the entry in the payload, legal patterns at the edge, illegal ones
    *((0, entry, (0, 0x40, 0x7F), tuple(1 << bit for bit in range(7, 16))) for entry in range(16)),
    *((1, entry, (0, 1, 3), (2, 5, *(1 << bit for bit in range(2, 16)))) for entry in range(8)),
]


@pytest.mark.parametrize("layer, entry, legal, illegal", TABLE_ENTRIES)
def test_table_entries(driver, layer, entry, legal, illegal):
    per_gate, bits = (4, 7) if layer == 0 else (8, 2)
    for pattern in (*legal, *illegal):

        def change(payload, pattern=pattern):
            return payload[: 2 * entry] + pattern.to_bytes(2, "little") + payload[2 * entry + 2 :]

        data = replaced(example(), TABL, change, layer)
        if pattern in legal:
            assert image.pack(image.unpack(data)) == data
            assert driver.check(data) == "OK"
        else:
            gate, index = divmod(entry, per_gate)
            words = f"entry {index} of gate {gate} holds 0x{pattern:x}, which is no legal {bits}-bit entry"
            check_refused(driver, data, "VALUE", f"section TABL of layer {layer}: {words}")
