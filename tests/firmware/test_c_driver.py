"""The C driver: compiled strictly, it loads the same state as the Python loader and refuses what is bad."""

import ctypes
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware import c_header, image
from ohmgate.firmware.format import GAIN, GEOM, GEOMETRY, TABL, WGHT
from ohmgate.firmware.loader import BusError
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.designs import random_design, random_network, seeds
from tests.firmware.damage import damaged, forge, forged, replaced
from tests.firmware.fake_device import FakeDevice

COMPILER = shutil.which("gcc") or shutil.which("cc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-O2"]
NAMES = [name for name, _ in c_header.ERRORS]
KEEP_WEIGHTS, FORCE = 1, 2

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")

READ = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32))
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)


class Bus(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("read32", READ), ("write32", WRITE)]


class Driver:
    """The shared library; every result is an error's name."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.ohmgate_error_name.restype = ctypes.c_char_p
        for function in (self.library.ohmgate_check, self.library.ohmgate_check_digest):
            function.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.library.ohmgate_load.argtypes = [
            ctypes.POINTER(Bus), ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint,
        ]  # fmt: skip

    def check(self, data: bytes) -> str:
        return NAMES[self.library.ohmgate_check(data, len(data))]

    def check_digest(self, data: bytes) -> str:
        return NAMES[self.library.ohmgate_check_digest(data, len(data))]

    def load(self, device, data: bytes, flags: int = 0) -> str:
        def read(_, address, value):
            try:
                value[0] = device.read(address)
            except BusError:
                return 1
            return 0

        def write(_, address, value):
            try:
                device.write(address, value)
            except BusError:
                return 1
            return 0

        bus = Bus(None, READ(read), WRITE(write))
        return NAMES[self.library.ohmgate_load(ctypes.byref(bus), data, len(data), flags)]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("driver")
    c_header.write(folder)
    library = folder / "ohmgate.so"
    command = [COMPILER, *STRICT, "-DOHMGATE_POLLS=50ul", "-shared", "-fPIC", "-o", library, folder / "ohmgate.c"]
    subprocess.run(command, check=True, capture_output=True)
    return Driver(library)


@cache
def vowels():
    return random_network(Design.load("vowels"), np.random.default_rng(0), labels=True)


def loaded(device):
    return tuple(device.layer_data(k) for k in range(len(device.design.layers)))


def test_errors_have_names(driver):
    names = [driver.library.ohmgate_error_name(k).decode() for k in range(len(NAMES))]
    assert names == NAMES
    assert driver.library.ohmgate_error_name(len(NAMES)) == b"UNKNOWN"
    assert driver.library.ohmgate_error_name(-1) == b"UNKNOWN"


def test_vowels_loads(driver):
    device = FakeDevice(vowels().design, programming=3)
    assert driver.load(device, image.pack(vowels())) == "OK"
    assert loaded(device) == vowels().layers
    assert device.enabled
    assert not device.error


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_a_loaded_device_holds_the_network(driver, seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_design(rng), rng)
    data = image.pack(network)
    device = FakeDevice(network.design, programming=3)
    assert driver.check(data) == driver.check_digest(data) == "OK"
    assert driver.load(device, data) == "OK"
    assert loaded(device) == network.layers
    assert device.enabled
    assert device.pending == 0


def test_weights_can_be_kept(driver):
    old, new = (random_network(vowels().design, np.random.default_rng(k)) for k in (1, 2))
    device = FakeDevice(old.design)
    assert driver.load(device, image.pack(old)) == "OK"
    assert driver.load(device, image.pack(new), KEEP_WEIGHTS) == "OK"
    for found, before, after in zip(loaded(device), old.layers, new.layers):
        assert np.array_equal(found.weights, before.weights)
        assert np.array_equal(found.mult, after.mult)
        assert np.array_equal(found.shift, after.shift)


def test_every_flipped_bit_is_refused(driver):
    data = bytearray(image.pack(vowels()))
    survived = []
    for position in range(len(data)):
        for bit in range(8):
            data[position] ^= 1 << bit
            if driver.check_digest(bytes(data)) == "OK":
                survived.append((position, bit))
            data[position] ^= 1 << bit
    assert survived == []


def test_each_fault_has_its_error(driver):
    data = image.pack(vowels())
    at = data.index(b"WGHT") + 40
    flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    fault = lambda tag, change: driver.check(replaced(data, tag, change))  # noqa: E731
    assert driver.check(data[:-1]) == "LENGTH"
    assert driver.check(data[:20]) == "LENGTH"
    assert driver.check(b"X" + data[1:]) == "MAGIC"
    assert driver.check(forge([], version=2)) == "FORMAT"
    assert driver.check(forge([])) == "SECTION"
    assert driver.check(flipped) == "CRC"
    assert driver.check(data[:-1] + b"\0") == "OK"
    assert driver.check_digest(data[:-1] + bytes([data[-1] ^ 1])) == "DIGEST"
    assert fault(WGHT, lambda p: p[:-1]) == "SECTION"
    assert fault(GEOM, lambda p: p[:3] + b"\x09" + p[4:]) == "GEOMETRY"
    assert fault(WGHT, lambda p: b"\x88" + p[1:]) == "VALUE"
    assert fault(GAIN, lambda p: b"\0" + p[1:]) == "VALUE"
    assert fault(TABL, lambda p: p[:1] + b"\1" + p[2:]) == "VALUE"


@pytest.mark.parametrize(
    "layer, most",
    [(LstmLayer(inputs=1, hidden=1, adcs=4), 16), (DenseLayer(inputs=1, outputs=1, adcs=1), 8)],
    ids=["lstm", "dense"],
)
def test_table_entries_are_as_wide_as_a_device_takes(driver, layer, most):
    data = image.pack(random_network(Design("one", (layer,)), np.random.default_rng(0)))
    zeros = replaced(data, TABL, lambda p: bytes(len(p)))
    [at] = [offset for name, offset, _, _ in GEOMETRY.layout() if name == "table_bits"]
    for bits, result in ((most, "OK"), (most + 1, "GEOMETRY")):
        changed = replaced(zeros, GEOM, lambda p, bits=bits: p[:at] + bytes([bits]) + p[at + 1 :])
        assert driver.check(changed) == result


def test_the_filling_bits_are_checked(driver):
    rng = np.random.default_rng(0)
    while True:
        network = random_network(random_design(rng, layers=1), rng)
        layer = network.design.layers[0]
        if layer.rows * layer.columns * layer.weight_bits % 8:
            break
    data = replaced(image.pack(network), WGHT, lambda p: p[:-1] + bytes([p[-1] | 0x80]))
    assert driver.check(data) == "VALUE"


@pytest.mark.parametrize(
    "register, value, error",
    [
        ("ID", 1, "DEVICE"),
        ("VERSION", 2 << 24, "VERSION"),
        ("FINGERPRINT_LOW", 1, "FINGERPRINT"),
        ("FINGERPRINT_HIGH", 1, "FINGERPRINT"),
        ("LAYERS", 3, "MISMATCH"),
        ("GEOMETRY", 0, "MISMATCH"),
        ("FORMAT", 0, "MISMATCH"),
        ("STATUS", 0b00000, "REFUSED"),
        ("STATUS", 0b00011, "REFUSED"),
        ("STATUS", 0b01001, "TIMEOUT"),
        ("STATUS", 0b10001, "STATUS"),
        ("STATUS", None, "BUS"),
    ],
)
def test_a_device_that_does_not_fit(driver, register, value, error):
    device = FakeDevice(vowels().design)
    honest = device.read

    def read(address):
        if address != BY_NAME[register].address:
            return honest(address)
        if value is None:
            raise BusError("no answer")
        return value

    device.read = read
    assert driver.load(device, image.pack(vowels())) == error
    assert not device.enabled
    if error in ("DEVICE", "VERSION", "FINGERPRINT"):
        assert device.written == 0


def test_forced_with_a_wrong_fingerprint_the_device_refuses(driver):
    rng = np.random.default_rng(1)
    other = random_design(rng)
    device = FakeDevice(other)
    assert driver.load(device, image.pack(vowels()), FORCE) == "REFUSED"
    assert device.refused
    assert not device.unlocked


def fuzz_cases(count: int) -> list[tuple[bytes, bool]]:
    """Bad and good images, and whether the Python reader takes them."""
    rng = np.random.default_rng(11)
    images = [image.pack(random_network(random_design(rng, max_outputs=5), rng)) for _ in range(20)]
    cases = []
    for number in range(count):
        data = images[number % len(images)]
        changed = forged(data, rng) if number % 4 else damaged(data, rng)
        try:
            image.unpack(changed)
            cases.append((changed, True))
        except image.ImageError:
            cases.append((changed, False))
    return cases


MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "ohmgate.h"
/* Reads images, each behind its length, and prints the error of each; the copy has no byte to spare. */
int main(void)
{
    unsigned char head[4];
    while (fread(head, 1, 4, stdin) == 4) {
        size_t length = head[0] | head[1] << 8 | (size_t)head[2] << 16;
        unsigned char *image = malloc(length ? length : 1);
        if (!image || fread(image, 1, length, stdin) != length)
            return 1;
        puts(ohmgate_error_name(ohmgate_check_digest(image, length)));
        free(image);
    }
    return 0;
}
"""


def test_bad_images_never_make_the_driver_read_outside_them(tmp_path):
    """3,000 mutated images under the address and undefined-behaviour sanitisers; what Python takes, C takes."""
    c_header.write(tmp_path)
    (tmp_path / "main.c").write_text(MAIN)
    program = tmp_path / "check"
    command = [COMPILER, "-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    built = subprocess.run(
        [*command, "-o", program, tmp_path / "main.c", tmp_path / "ohmgate.c"], capture_output=True, text=True
    )
    if built.returncode and "san" in built.stderr:
        pytest.skip("the compiler has no sanitisers")
    assert built.returncode == 0, built.stderr
    cases = fuzz_cases(3_000)
    stream = b"".join(len(data).to_bytes(4, "little") + data for data, _ in cases)
    done = subprocess.run([program], input=stream, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    errors = done.stdout.decode().split()
    assert len(errors) == len(cases)
    assert all(error == "OK" for error, (_, legal) in zip(errors, cases) if legal)
    assert {"LENGTH", "MAGIC", "CRC", "FORMAT", "SECTION", "GEOMETRY", "VALUE", "OK"} <= set(errors)
