"""Decoding in C: the values of every code are Python's to the bit, from the image alone."""

import ctypes
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.firmware import c_header, image
from ohmgate.firmware.format import META
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import Network
from tests.designs import perhaps_tiled, random_design, random_network, seeds
from tests.firmware.c_driver import COMPILER, NAMES, STRICT
from tests.firmware.damage import replaced

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


class Output(ctypes.Structure):
    _fields_ = [("middle", ctypes.c_double), ("scale", ctypes.c_double), ("offset", ctypes.c_double)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    c_header.write(folder)
    path = folder / "host.so"
    files = [folder / "ohmgate.c", folder / "ohmgate_host.c"]
    subprocess.run([COMPILER, *STRICT, "-shared", "-fPIC", "-o", path, *files], check=True, capture_output=True)
    found = ctypes.CDLL(str(path))
    found.ohmgate_outputs.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(Output), ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t),
    ]  # fmt: skip
    found.ohmgate_value.argtypes = [ctypes.POINTER(Output), ctypes.c_int32]
    found.ohmgate_value.restype = ctypes.c_double
    return found


def outputs(library, data: bytes, room: int = 64) -> tuple[str, list[Output], int]:
    entries, count = (Output * max(room, 1))(), ctypes.c_size_t()
    error = library.ohmgate_outputs(data, len(data), entries, room, ctypes.byref(count))
    return NAMES[error], list(entries[: min(count.value, room)]), count.value


def check_all_codes(library, network: Network) -> None:
    error, entries, count = outputs(library, image.pack(network))
    last = network.design.layers[-1]
    assert (error, count) == ("OK", last.outputs)
    low, high = last.output_range
    codes = np.arange(low, high + 1, max(1, (high - low) // 300))
    expected = network.decode(np.repeat(codes[:, None], last.outputs, axis=1))
    found = [[library.ohmgate_value(entry, int(code)) for entry in entries] for code in codes]
    assert np.array_equal(found, expected)


KINDS = [
    *(LstmLayer(inputs=2, hidden=3, adcs=4, dac_bits=bits) for bits in (1, 2, 3, 8)),
    LstmLayer(inputs=2, hidden=3, adcs=4, dac_bits=3, input_dac_bits=6),
    *(LstmLayer(inputs=2, hidden=3, adcs=4, activation_bits=bits, output="value") for bits in (2, 8, 16)),
    *(DenseLayer(inputs=2, outputs=3, adcs=1, output_bits=bits) for bits in (1, 2, 8)),
    *(DenseLayer(inputs=inputs, outputs=3, adcs=1, tile_rows=height, bias_rows=bias, adc_range=2.7, output="codes")
      for inputs, height, bias in ((9, 3, 0), (9, 3, 1), (30, 2, 2), (9, 5, 1), (9, 10, 1))),
    *(DenseLayer(inputs=2, outputs=3, adcs=1, adc_bits=bits, adc_range=2.7, output="codes") for bits in (1, 4, 8)),
]  # fmt: skip


@pytest.mark.parametrize("layer", KINDS, ids=repr)
def test_every_code_of_every_kind_of_output_has_pythons_value(library, layer):
    network = random_network(Design("one", (layer,)), np.random.default_rng(0), labels=False)
    check_all_codes(library, network)
    check_all_codes(library, network.in_units(output_scale=0.1))
    check_all_codes(library, network.in_units(output_offset=(1 / 3, 0, -5e5)))
    check_all_codes(library, network.in_units(output_scale=(1e-7, 3e20, -7.25), output_offset=(1e-5, 2.5, 0)))


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_random_networks_are_decoded_as_in_python(library, seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_tiled(random_design(rng), rng), rng)
    if network.design.layers[-1].output == "argmax":
        assert outputs(library, image.pack(network))[0] == "LABELS"
    else:
        check_all_codes(library, network)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False).filter(bool), st.floats(allow_nan=False, allow_infinity=False)
)
def test_every_float_of_meta_is_read_to_the_bit(library, scale, offset):
    network = random_network(Design("one", (KINDS[-1],)), np.random.default_rng(0), labels=False)
    data = image.pack(replace(network, output_scale=(1.0, scale, 1.0), output_offset=(0.0, 0.0, offset)))
    error, entries, _ = outputs(library, data)
    assert (error, entries[1].scale, entries[2].offset) == ("OK", scale, offset)


def test_labels_that_look_like_keys_are_no_keys(library):
    labels = (',"output_scale":[9.0,9.0,9.0]', "output_scale", '}],"name":"')
    network = random_network(Design("one", (KINDS[-1],)), np.random.default_rng(0), labels=False)
    check_all_codes(library, replace(network.in_units(output_scale=0.3, output_offset=1), labels=labels))


def test_what_cannot_be_decoded_has_its_error(library):
    network = random_network(Design("one", (KINDS[-1],)), np.random.default_rng(0), labels=False)
    data = image.pack(network.in_units(output_scale=2))
    assert outputs(library, data, room=2)[::2] == ("ROOM", 3)
    assert outputs(library, data[:-1])[0] == "LENGTH"
    for old, new in (
        (b'"output_scale":[', b'"output_scale":[x'), (b'"output_scale":[', b'"output_scale":[1.0,'),
        (b'"output_scale":[', b'"output_scale":[1e999,'), (b'"output_scale":[', b'"output_scale":[' + b"1" * 100),
        (b'"output_offset"', b'"output_offzet"'), (b'"adc_range":', b'"adc_range":-e'), (b'"name"', b'"mane"'),
        (b'"outputs":3', b'"outputs":0'), (b'"adc_bits":8', b'"adc_bits":99'),
    ):  # fmt: skip
        changed = replaced(data, META, lambda payload, old=old, new=new: payload.replace(old, new))
        assert changed != data
        assert outputs(library, changed)[0] == "META", new
