"""The C driver loads an image that it never holds: the same device, the same errors, in pieces of any size."""

import zlib

import numpy as np
import pytest

from ohmgate.firmware.format import HEADER
from ohmgate.firmware.image import pack
from tests.designs import random_network
from tests.firmware.c_driver import COMPILER, build
from tests.firmware.fake_device import FakeDevice
from tests.firmware.test_loader_on_rtl import STACK

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
NETWORK = random_network(STACK, np.random.default_rng(4))
IMAGE = pack(NETWORK)


@pytest.fixture(scope="module", params=[32, 33, 61, 256, 65536])
def driver(request, tmp_path_factory):
    return build(tmp_path_factory.mktemp("pieces"), f"-DOHMGATE_PIECE={request.param}u")


class Source:
    """Gives pieces of ``data``, and fails at read number ``fails``."""

    def __init__(self, data: bytes, fails: int | None = None):
        self.data, self.fails, self.reads, self.largest = data, fails, 0, 0

    def read(self, offset: int, count: int) -> bytes | None:
        self.reads += 1
        self.largest = max(self.largest, count)
        return None if self.reads - 1 == self.fails else self.data[offset : offset + count]


def test_what_is_loaded_is_the_network(driver, request):
    device, source = FakeDevice(STACK), Source(IMAGE)
    assert driver.load_from(device, source.read) == "OK"
    whole = FakeDevice(STACK)
    assert driver.load(whole, IMAGE) == "OK"
    for index, data in enumerate(NETWORK.layers):
        assert device.layer_data(index) == whole.layer_data(index) == data, f"layer {index}"
    assert source.largest <= request.node.callspec.params["driver"]


def test_a_source_that_fails_anywhere_is_an_error(driver):
    source = Source(IMAGE)
    assert driver.load_from(FakeDevice(STACK), source.read) == "OK"
    for fails in range(0, source.reads, max(1, source.reads // 60)):
        device = FakeDevice(STACK)
        assert driver.load_from(device, Source(IMAGE, fails).read) == "READ", f"read {fails}"
        assert not device.enabled


def test_bad_images_have_the_error_that_they_have_in_memory(driver):
    rng = np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(IMAGE)
        changed[int(rng.integers(len(IMAGE) - 32))] ^= int(
            rng.integers(1, 256)
        )  # the digest aside: nobody looks at it
        device = FakeDevice(STACK)
        error = driver.load_from(device, Source(bytes(changed)).read)
        assert (error, device.enabled) == (driver.load(FakeDevice(STACK), bytes(changed)), False)
        assert error in ("MAGIC", "CRC", "FORMAT", "LENGTH", "SECTION")


@pytest.mark.parametrize("length", [0, 1, HEADER.size, 2**32 - 1])
def test_a_length_that_cannot_be_is_refused(driver, length):
    at = next(offset for name, offset, _, _ in HEADER.layout() if name == "length")
    header = bytearray(IMAGE[: HEADER.size])
    header[at : at + 4] = length.to_bytes(4, "little")
    data = bytes(header) + zlib.crc32(header).to_bytes(4, "little") + IMAGE[HEADER.size + 4 :]

    def read(offset, count):
        return data[offset : offset + count] if offset + count <= len(data) else None

    device = FakeDevice(STACK)
    assert driver.load_from(device, read) == ("READ" if length > HEADER.size else "LENGTH")
    assert not device.enabled
