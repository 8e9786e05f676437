"""The C driver: compiled strictly, it loads the same state as the Python loader and refuses what is bad."""

import subprocess
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware import c_header, image
from ohmgate.firmware.format import GAIN, GEOM, GEOMETRY, TABL, WGHT
from ohmgate.firmware.transactions import BusError
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.designs import perhaps_tiled, random_design, random_network, seeds
from tests.firmware.both_readers import c_has_to_refuse
from tests.firmware.c_driver import COMPILER, FORCE, KEEP_WEIGHTS, NAMES
from tests.firmware.damage import damaged, forge, forged, replaced
from tests.firmware.fake_device import FakeDevice


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
    network = random_network(perhaps_tiled(random_design(rng), rng), rng)
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
    assert driver.check(forge([], version=3)) == "FORMAT"
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


@pytest.mark.parametrize(
    "register, value, error",
    [
        ("ID", 1, "DEVICE"),
        ("VERSION", 1 << 24, "VERSION"),
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


def fuzz_cases(count: int, tiled: bool = False) -> list[tuple[bytes, bool, bool]]:
    """Good and bad images: must they be taken, must they be refused?"""
    rng = np.random.default_rng(12)
    designs = (random_design(rng, max_outputs=5) for _ in range(20))
    images = [image.pack(random_network(perhaps_tiled(d, rng) if tiled else d, rng)) for d in designs]
    cases = []
    for number in range(count):
        data = images[number % len(images)]
        changed = forged(data, rng) if number % 4 else damaged(data, rng)
        try:
            image.unpack(changed)
            cases.append((changed, True, False))
        except image.ImageError as error:
            cases.append((changed, False, c_has_to_refuse(changed, str(error), data)))
    return cases


MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "ohmgate.h"
/* Reads images, each behind its length, and prints two errors of each; the copy has no byte to spare. */
int main(void)
{
    unsigned char head[4];
    ohmgate_output outputs[8];
    size_t count;
    while (fread(head, 1, 4, stdin) == 4) {
        size_t length = head[0] | head[1] << 8 | (size_t)head[2] << 16;
        unsigned char *image = malloc(length ? length : 1);
        if (!image || fread(image, 1, length, stdin) != length)
            return 1;
        puts(ohmgate_error_name(ohmgate_check_digest(image, length)));
        puts(ohmgate_error_name(ohmgate_outputs(image, length, outputs, 8, &count)));
        free(image);
    }
    return 0;
}
"""


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
def test_bad_images_never_make_the_driver_read_outside_them(tmp_path):
    """4,000 mutated images under the address and undefined-behaviour sanitisers; both readers have one verdict."""
    c_header.write(tmp_path)
    (tmp_path / "main.c").write_text(MAIN)
    program = tmp_path / "check"
    command = [COMPILER, "-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    files = [tmp_path / name for name in ("main.c", "ohmgate.c", "ohmgate_host.c")]
    built = subprocess.run([*command, "-o", program, *files], capture_output=True, text=True)
    if built.returncode and "san" in built.stderr:
        pytest.skip("the compiler has no sanitisers")
    assert built.returncode == 0, built.stderr
    cases = fuzz_cases(3_000) + fuzz_cases(1_000, tiled=True)
    stream = b"".join(len(data).to_bytes(4, "little") + data for data, _, _ in cases)
    done = subprocess.run([program], input=stream, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    printed = done.stdout.decode().split()
    errors, decoding = printed[::2], printed[1::2]
    assert len(errors) == len(decoding) == len(cases)
    assert {found for found, (_, good, _) in zip(decoding, cases) if good} == {"OK", "LABELS"}
    assert {"META", "ROOM"} <= set(decoding)  # of those that Python refuses
    assert all(error == "OK" for error, (_, good, _) in zip(errors, cases) if good)
    assert all(error != "OK" for error, (_, _, bad) in zip(errors, cases) if bad)
    assert sum(bad for _, _, bad in cases) > 1_000
    assert {"LENGTH", "MAGIC", "CRC", "FORMAT", "SECTION", "GEOMETRY", "VALUE", "OK"} <= set(errors)
