"""Sequences in C, over the register bus of the RTL alone: load, encode, run, decode."""

import ctypes
import subprocess
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ohmgate.firmware import c_header, image
from ohmgate.firmware.transactions import BusError
from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import Network
from ohmgate.model.reference import run
from ohmgate.model.registers import BY_NAME
from tests.designs import random_design, random_inputs, random_network, seeds
from tests.firmware.c_driver import COMPILER, KEEP_WEIGHTS, NAMES, STRICT, Bus, Driver, bus_of
from tests.firmware.c_link import CLink
from tests.firmware.faulty_line import FaultyLine, link_device
from tests.firmware.rtl_device import SynchronousBus
from tests.hdl.pretended_array import PretendedArray

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


class Codes(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint32), ("bits", ctypes.c_uint32), ("symmetric", ctypes.c_int),
                ("label", ctypes.c_int), ("votes", ctypes.c_uint32)]  # fmt: skip


class Input(ctypes.Structure):
    _fields_ = [("scale", ctypes.c_double), ("offset", ctypes.c_double), ("bits", ctypes.c_uint32)]


class CDevice(ctypes.Structure):
    _fields_ = [("bus", ctypes.POINTER(Bus)), ("input", Codes), ("output", Codes)]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    c_header.write(folder)
    path = folder / "run.so"
    files = [folder / name for name in c_header.C_FILES]
    command = [COMPILER, *STRICT, "-DOHMGATE_POLLS=300ul", "-shared", "-fPIC", "-o", path, *files]
    subprocess.run(command, check=True, capture_output=True)
    made = Driver(path)
    made.library.ohmgate_encode.argtypes = [ctypes.POINTER(Input), ctypes.c_double, ctypes.POINTER(ctypes.c_int32)]
    made.library.ohmgate_begin.argtypes = [
        ctypes.POINTER(Bus), ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(CDevice),
    ]  # fmt: skip
    made.library.ohmgate_run.argtypes = [
        ctypes.POINTER(CDevice), ctypes.POINTER(ctypes.c_int32), ctypes.c_size_t, ctypes.POINTER(ctypes.c_int32),
        ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t),
    ]  # fmt: skip
    return made


class Chip(SynchronousBus):
    """A whole accelerator on exact arrays, which nobody serves but over the bus."""

    def __init__(self, network: Network, data_registers: bool = True):
        dut = Accelerator(replace(network.design, data_registers=data_registers))
        rng, layers = np.random.default_rng(0), list(zip(network.design.layers, network.layers))
        ports = [getattr(dut, f"array_{k}") for k in range(len(layers))]
        arrays = [
            PretendedArray(port.read, *layer, rng, cancel=port.setup.cancel) for port, layer in zip(ports, layers)
        ]
        super().__init__(dut, *(array.serve for array in arrays), *(partial(program, port=port) for port in ports))


async def program(ctx, port):
    while True:
        setup = port.setup
        _, _, strobe, seal, unseal = await ctx.tick().sample(setup.program_strobe, setup.seal, setup.unseal)
        ctx.set(setup.program_done, strobe | seal | unseal)
        if seal | unseal:
            ctx.set(setup.sealed, seal)


def begin(driver, bus: Bus, data: bytes) -> tuple[str, CDevice]:
    device = CDevice()
    return NAMES[driver.library.ohmgate_begin(ctypes.byref(bus), data, len(data), ctypes.byref(device))], device


def sequence(driver, device: CDevice, codes: np.ndarray, room: int = 16) -> tuple[str, np.ndarray]:
    given, count = np.ascontiguousarray(codes, np.int32), ctypes.c_size_t()
    results = np.full((max(room, 1), device.output.count), -99, np.int32)
    pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)) for a in (given, results)]
    error = driver.library.ohmgate_run(ctypes.byref(device), pointers[0], len(given), pointers[1], room,
                                       ctypes.byref(count))  # fmt: skip
    return NAMES[error], results[: count.value]


def check(driver, network: Network, codes: np.ndarray, lengths: np.ndarray) -> None:
    """All sequences, one after the other, are the reference's integers."""
    chip, data = Chip(network), image.pack(network)
    assert driver.load(chip, data) == "OK"
    bus = bus_of(chip, [])
    error, device = begin(driver, bus, data)
    last = network.design.layers[-1]
    assert (error, device.output.count) == ("OK", 1 if last.output == "argmax" else last.outputs)
    expected = run(network, codes, lengths).layers[-1].out
    at_end = getattr(last, "emit", "step") == "end"
    for b, length in enumerate(lengths):
        error, results = sequence(driver, device, codes[b, :length])
        assert error == "OK"
        assert np.array_equal(results, expected[b, length - 1 if at_end else 0 : length])
    sent = int(sum(lengths)) * network.design.votes
    assert chip.read(BY_NAME["STEPS"].address) == sent


LAYERS = [
    (LstmLayer(inputs=9, hidden=5, adcs=4, output="value"),),
    (LstmLayer(inputs=33, hidden=4, adcs=8, dac_bits=1),),
    (
        LstmLayer(inputs=7, hidden=3, adcs=4, dac_bits=3, input_dac_bits=8),
        LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=8, input_dac_bits=3),
    ),
    (  # the second layer's key is not the first's
        DenseLayer(inputs=3, outputs=3, adcs=1, dac_bits=5, output_bits=3),
        LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=1, input_dac_bits=3),
    ),
    (LstmLayer(inputs=3, hidden=3, adcs=4, dac_bits=8, activation_bits=16, output="value"),),
    (DenseLayer(inputs=11, outputs=7, adcs=7, dac_bits=3, adc_bits=5, output="codes", emit="end"),),
    (LstmLayer(inputs=8, hidden=2, adcs=8), DenseLayer(inputs=2, outputs=5, adcs=1, output="argmax", emit="end")),
    (DenseLayer(inputs=2, outputs=300, adcs=100, weight_bits=2, output="argmax"),),
    (DenseLayer(inputs=5, outputs=2, adcs=2, output="argmax"),),  # labels of one bit are no signs
    (DenseLayer(inputs=5, outputs=1, adcs=1, output="argmax"),),
    (
        LstmLayer(inputs=2, hidden=4, adcs=8),
        DenseLayer(inputs=4, outputs=4, adcs=2, adc_bits=8, output="argmax", emit="end", votes=3),
    ),
]


@pytest.mark.parametrize("layers", LAYERS, ids=range(len(LAYERS)))
def test_sequences_are_the_references(driver, layers):
    network = random_network(Design("one", layers), np.random.default_rng(1))
    codes, _ = random_inputs(network.design, np.random.default_rng(2), batch=2, steps=3)
    check(driver, network, codes, np.array([3, 1]))


@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(seeds)
def test_sequences_of_random_designs(driver, seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_design(rng, max_inputs=12, max_outputs=4, max_bits=8), rng)
    check(driver, network, *random_inputs(network.design, rng, batch=2, steps=3))


def test_sequences_over_a_bad_serial_line(driver):
    network = random_network(Design("one", LAYERS[0]), np.random.default_rng(1))
    codes, _ = random_inputs(network.design, np.random.default_rng(2), batch=1, steps=5)
    data = image.pack(network)
    line = FaultyLine(link_device(network.design, Chip(network)).receive, rate=0.002, frames=0.1)
    link = CLink(driver, line)
    assert link.begin(1) == link.load(data) == "OK"
    error, device = begin(driver, link.bus, data)
    assert error == "OK"
    error, results = sequence(driver, device, codes[0])
    assert (error, results.tolist()) == ("OK", run(network, codes).layers[-1].out[0].tolist())
    assert line.waits > 5


def test_what_does_not_fit_has_its_error(driver):
    network = random_network(Design("one", LAYERS[0]), np.random.default_rng(1))
    chip, data = Chip(network), image.pack(network)
    codes, _ = random_inputs(network.design, np.random.default_rng(2), batch=1, steps=3)
    bus = bus_of(chip, [])
    _, device = begin(driver, bus, data)
    assert sequence(driver, device, codes[0])[0] == "REFUSED", "it is not loaded"
    assert driver.load(chip, data, KEEP_WEIGHTS) == "SEAL"
    assert sequence(driver, device, codes[0])[0] == "SEAL", "it is unlocked, and has no cells"
    assert driver.load(chip, data) == "OK"
    chip.write(BY_NAME["CONTROL"].address, 0)
    assert sequence(driver, device, codes[0])[0] == "REFUSED", "a load that was cut has taken ENABLE away"
    assert driver.load(chip, data, KEEP_WEIGHTS) == "OK"
    error, results = sequence(driver, device, codes[0], room=2)
    assert (error, len(results)) == ("ROOM", 2)
    right = run(network, codes).layers[-1].out[0].tolist()
    error, results = sequence(driver, device, codes[0], room=3)
    assert (error, results.tolist()) == ("OK", right), "nothing is left of the one before"
    for wrong in (8, -8):
        bad = codes[0].copy()
        bad[1, 4] = wrong
        assert sequence(driver, device, bad)[0] == "INPUT"
        error, results = sequence(driver, device, codes[0], room=3)
        assert (error, results.tolist()) == ("OK", right)
    chip.write(BY_NAME["DATA_CONTROL"].address, 0)
    assert sequence(driver, device, codes[0])[0] == "TIMEOUT"
    chip.write(BY_NAME["DATA_CONTROL"].address, 1)
    assert sequence(driver, device, codes[0])[1].tolist() == right

    other = random_network(Design("one", LAYERS[1]), np.random.default_rng(1))
    assert begin(driver, bus, image.pack(other))[0] == "MISMATCH"
    plain = Chip(network, data_registers=False)  # half as many addresses: those above are those below
    assert begin(driver, bus_of(plain, []), data)[0] == "NO_DATA"
    assert begin(driver, bus, data[:-1])[0] == "LENGTH"
    assert begin(driver, bus_of(NoAnswer(), []), data)[0] == "BUS"


class NoAnswer:
    def read(self, address):
        raise BusError("no answer")

    write = read


def inputs(driver, data: bytes, room: int) -> tuple[str, list[Input], int]:
    entries, count = (Input * room)(), ctypes.c_size_t()
    error = driver.library.ohmgate_inputs(data, len(data), entries, room, ctypes.byref(count))
    return NAMES[error], list(entries[: min(count.value, room)]), count.value


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.floats(-1e6, 1e6), st.floats(-10, 10), finite)
def test_measurements_are_encoded_as_in_python(driver, bits, scale, offset, value):
    layer = LstmLayer(inputs=2, hidden=1, adcs=4, dac_bits=bits)
    network = random_network(Design("one", (layer,)), np.random.default_rng(0), labels=False)
    network = replace(network, input_scale=(scale, 1.0), input_offset=(offset, 0.0))
    error, entries, count = inputs(driver, image.pack(network), 2)
    assert (error, count) == ("OK", 2)
    steps = np.arange(-(2 ** (bits + 1)), 2 ** (bits + 1)) / 2 ** max(bits, 2)  # edges, and beyond both ends
    for measurement in [*np.stack([steps, steps], axis=1), np.array([value, value / 1e300])]:
        found = []
        for entry, number in zip(entries, measurement):
            code = ctypes.c_int32()
            assert NAMES[driver.library.ohmgate_encode(entry, number, ctypes.byref(code))] == "OK"
            found.append(code.value)
        with np.errstate(over="ignore"):
            assert found == network.encode(measurement).tolist()


def test_inputs_without_numbers_have_their_error(driver):
    network = random_network(Design("one", LAYERS[0]), np.random.default_rng(0))
    data = image.pack(network)
    assert inputs(driver, data, 8)[::2] == ("ROOM", 9)
    error, entries, _ = inputs(driver, data, 9)
    assert (error, [(e.scale, e.offset, e.bits) for e in entries]) == ("OK", [(1.0, 0.0, 4)] * 9)
    code = ctypes.c_int32()
    assert NAMES[driver.library.ohmgate_encode(entries[0], float("nan"), ctypes.byref(code))] == "INPUT"
