"""What people read about images."""

import dataclasses
import hashlib
import zlib

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware import image
from ohmgate.firmware.frame import split
from ohmgate.firmware.inspection import diff, inspect
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import LayerData, Network
from tests.designs import random_design, random_network, seeds

LAYER = DenseLayer(inputs=1, outputs=4, adcs=2, weight_bits=2, output_bits=3, adc_bits=4)


def network(**options) -> Network:
    weights = np.array([[1, 0, 1, -1], [1, 1, 0, 0]])
    data = LayerData(weights, np.array([9]), np.array([8]), np.arange(16)[None] % 4)
    return Network(Design("tiny", (LAYER,)), (data,), **options)


def test_inspect_shows_everything():
    data = image.pack(network(labels=("a", "b", "c", "d"), input_scale=(0.1,)))
    text = inspect(data)
    stored = [s.content() for s in split(data).sections]
    crc = [f"{zlib.crc32(content):08x}" for content in stored]
    assert all(zlib.crc32(content).to_bytes(4, "little") in data for content in stored)
    assert (
        text
        == f"""\
design         tiny
fingerprint    {network().design.fingerprint}
size           {len(data)} bytes, 5 sections, format version 1
SHA-256        {hashlib.sha256(data[:-32]).hexdigest()}
signature      none
labels         a, b, c, d
input code     (measurement * scale) * 7, rounded half up, from -7 to 7
input scale    0.1
input offset   none
output value   code * scale
output scale   1/3 = 0.333333
output offset  none

section             bytes  CRC-32
META            {len(split(data).sections[0].payload):>9}  {crc[0]}
GEOM of layer 0        24  {crc[1]}
WGHT of layer 0         2  {crc[2]}
GAIN of layer 0         2  {crc[3]}
TABL of layer 0        32  {crc[4]}

layer 0: dense, 2 rows (1 inputs + 1 bias) x 4 columns, 2 ADCs x 2 conversions
  bits     DAC 4, weight 2, ADC 4
  output   4 DAC codes of 3 bits, on every step
  gain z   9 / 2^8 = 0.0351562 ADC steps per product of codes
  table z  loaded, 16 entries: 0 1 2 3 ... 0 1 2 3, in 1/3
  weights  8 cells, by code
          -1        1 ##########
           0        3 ##############################
           1        4 ########################################
"""
    )


@pytest.mark.parametrize(
    "layer, rows, output",
    [
        (LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=2), "3 inputs + 2 hidden + 1 bias",
         "2 hidden DAC codes of 2 bits, on every step"),
        (LstmLayer(inputs=3, hidden=2, adcs=4, activation_bits=9, output="value", input_drive=4),
         "3 inputs at 4 times the voltage + 2 hidden + 1 bias", "2 hidden values of 9 bits, on every step"),
        (DenseLayer(inputs=3, outputs=6, adcs=2, adc_bits=7, output="codes", emit="end", bias_rows=0), "3 inputs",
         "6 ADC codes of 7 bits, at a sequence's end"),
        (LstmLayer(inputs=3, hidden=2, adcs=4, direction="reverse", max_steps=9), "3 inputs + 2 hidden + 1 bias",
         "2 hidden DAC codes of 4 bits, on every step, from the last of at most 9 to the first"),
        (DenseLayer(inputs=3, outputs=6, adcs=2, output="argmax"), "3 inputs + 1 bias",
         "number of the largest of 6 ADC codes, on every step"),
        (DenseLayer(inputs=3, outputs=6, adcs=2, output="argmax", emit="end", votes=5), "3 inputs + 1 bias",
         "number of the largest of 6 sums of ADC codes, after 5 sequences"),
    ],
)  # fmt: skip
def test_inspect_says_what_drives_a_layer_and_what_it_hands_on(layer, rows, output):
    text = inspect(image.pack(random_network(Design("one", (layer,)), np.random.default_rng(0))))
    assert f"rows ({rows}) x" in text
    assert f"\n  output   {output}\n" in text


HEAD = DenseLayer(inputs=2, outputs=2, adcs=1, output="codes")


@pytest.mark.parametrize(
    "layer, units, lines",
    [
        (HEAD, {}, "output value   (code + 1/2) * scale\n"
                   "output scale   0.5, nominal: -4 to 4 in 16 ADC steps\noutput offset  none\n"),
        (HEAD, {"output_scale": 3.0, "output_offset": (20, -1.5)},
         "output value   (code + 1/2) * scale + offset\noutput scale   1.5 for all 2\noutput offset  20 -1.5\n"),
        (HEAD, {"output_scale": (0.1, 0.2)}, "output scale   0.05 0.1\n"),
        (dataclasses.replace(HEAD, output="argmax"), {},
         "output value   none: the head gives the number of an output\n\n"),
        (HEAD, {"input_scale": 2.0, "input_offset": 1.0},
         "input code     (measurement * scale + offset) * 7, rounded half up, from -7 to 7\n"),
        (LstmLayer(inputs=2, hidden=2, adcs=4, input_dac_bits=6), {},
         "input code     (measurement) * 31, rounded half up, from -31 to 31\n"),
        (LstmLayer(inputs=2, hidden=2, adcs=4, input_dac_bits=6), {},
         "\n  bits     DAC 6 of inputs, 4, weight 4, ADC 4\n"),
        (dataclasses.replace(HEAD, dac_bits=1), {}, "input code     sign of measurement, -1 or 1\n"),
        (LstmLayer(inputs=2, hidden=2, adcs=4, output="value"), {},
         "output value   code * scale\noutput scale   1/128 = 0.0078125\n"),
    ],
)  # fmt: skip
def test_inspect_says_in_words_how_inputs_are_encoded_and_outputs_decoded(layer, units, lines):
    plain = random_network(Design("one", (layer,)), np.random.default_rng(0), labels=False)
    assert lines in inspect(image.pack(plain.in_units(**units)))


def test_wide_weights_are_grouped_and_all_counted():
    layer = dataclasses.replace(LAYER, weight_bits=8, inputs=50)
    text = inspect(image.pack(random_network(Design("wide", (layer,)), np.random.default_rng(0))))
    rows = [line.split() for line in text.partition("by code\n")[2].splitlines()]
    assert len(rows) <= 16
    assert (rows[0][0], rows[-1][0]) == ("-127..-112", "113..127")
    assert sum(int(row[1]) for row in rows) == 51 * 4


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_any_image_can_be_inspected_and_equals_itself(seed):
    rng = np.random.default_rng(seed)
    other = random_network(random_design(rng), rng)
    data = image.pack(other)
    assert other.design.fingerprint in inspect(data)
    assert diff(data, other) == ""
    assert diff(data, network()) != ""


def test_inspect_refuses_a_bad_image():
    with pytest.raises(image.ImageError):
        inspect(image.pack(network())[:-1])


def test_diff_counts_cells_and_their_largest_change():
    old = network(labels=("a", "b", "c", "d"), input_scale=(1.0,))
    changed = old.layers[0].weights.copy()
    changed[0, 0], changed[1, 3] = -1, 1
    data = dataclasses.replace(
        old.layers[0], weights=changed, shift=np.array([11]), tables=old.layers[0].tables[:, ::-1]
    )
    new = dataclasses.replace(
        old, layers=(data,), labels=("a", "b", "x", "y"), input_scale=(), output_offset=(0.5,) * 4
    )
    assert diff(image.pack(old), image.pack(new)).splitlines() == [
        "labels: 2 of 4 differ, first 2: c -> x",
        "input scale: 1 -> 0 entries",
        "output offset: 0 -> 4 entries",
        "layer 0: weights: 2 of 8 codes differ, by at most 2",
        "layer 0: shift: 1 of 1 gates differ, by at most 3",
        "layer 0: tables: 16 of 16 entries differ, by at most 3",
    ]


def test_diff_names_every_field_of_the_design():
    first = LstmLayer(inputs=1, hidden=1, adcs=4, dac_bits=2)
    a = Design("one", (first,))
    head = DenseLayer(inputs=1, outputs=1, adcs=1, dac_bits=2, output="argmax")
    b = Design("two", (dataclasses.replace(first, adc_bits=5), head))
    networks = [random_network(d, np.random.default_rng(0), labels=False) for d in (a, b)]
    lines = diff(*networks).splitlines()
    assert lines[:3] == ["design: name one -> two", "design: 1 -> 2 layers", "layer 0: adc_bits 4 -> 5"]
    assert "layer 0: tables: shape 4 x 16 -> 4 x 32" in lines
    as_table = Design("one", (dataclasses.replace(LAYER, outputs=2, adcs=1),))
    as_codes = Design("one", (dataclasses.replace(LAYER, outputs=2, adcs=1, output="codes"),))
    networks = [random_network(d, np.random.default_rng(0), labels=False) for d in (as_table, as_codes)]
    lines = diff(*networks).splitlines()
    assert lines[0] == "layer 0: output table -> codes"
    assert lines[-1] == "layer 0: tables: present -> none"
