"""The locked C driver: it takes what its key has signed, and refuses all else before it touches the bus."""

import ctypes
import subprocess

import numpy as np
import pytest

from ohmgate.firmware.format import SECTIONS
from ohmgate.firmware.frame import join, split
from ohmgate.firmware.image import pack, unpack
from ohmgate.firmware.signing import sign
from tests.designs import random_network
from tests.firmware.c_driver import COMPILER, FORCE, NAMES, build
from tests.firmware.damage import forge, resigned
from tests.firmware.fake_device import FakeDevice
from tests.firmware.test_loader_on_rtl import STACK
from tests.firmware.test_signing import MAKER, OTHER, PUBLIC

IMAGE = pack(random_network(STACK, np.random.default_rng(4)))
SIGNED = sign(IMAGE, MAKER)
LOCK = """
#include "ohmgate.h"
const ohmgate_lock ohmgate_device_lock = {KEY, 0, VERIFY};
"""


def has_sodium() -> bool:
    command = [COMPILER or "", "-include", "sodium.h", "-fsyntax-only", "-x", "c", "/dev/null"]
    return COMPILER is not None and subprocess.run(command, capture_output=True).returncode == 0


needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


def locked(folder, verify, *options):
    """A driver that demands the maker's signature."""
    (folder / "lock.c").write_text(LOCK, encoding="utf-8")
    key = "-DKEY={" + ",".join(map(str, PUBLIC)) + "}"
    driver = build(folder, "-DOHMGATE_LOCKED", key, f"-DVERIFY={verify}", "-I", folder, folder / "lock.c", *options)
    driver.library.ohmgate_check_signature.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return driver


@pytest.fixture(scope="module", params=[32, 61, 256])
def driver(request, tmp_path_factory):
    """Verifies with libsodium, and reads a source in such pieces."""
    if not has_sodium():
        pytest.skip("needs a C compiler and libsodium-dev")
    sodium = ("-DOHMGATE_SODIUM", "-Wl,--no-as-needed", "-lsodium", f"-DOHMGATE_PIECE={request.param}u")
    return locked(tmp_path_factory.mktemp("locked"), "ohmgate_verify_sodium", *sodium)


def verdict(driver, data: bytes) -> str:
    """Of ohmgate_check_signature and ohmgate_load and, where it is another one, of ohmgate_load_from."""
    asked = NAMES[driver.library.ohmgate_check_signature(data, len(data))]

    def read(offset, count):
        return data[offset : offset + count] if offset + count <= len(data) else None

    whole, pieces = FakeDevice(STACK), FakeDevice(STACK)
    loaded = driver.load(whole, data)
    from_source = driver.load_from(pieces, read)
    assert loaded == asked
    for device, result in ((whole, loaded), (pieces, from_source)):
        assert device.enabled == (result == "OK")
        assert result == "OK" or device.accesses == 0
    assert (loaded == "OK") == (from_source == "OK")
    return loaded if loaded == from_source else f"{loaded} {from_source}"


def test_what_its_key_has_signed_is_loaded(driver):
    assert verdict(driver, SIGNED) == "OK"
    device = FakeDevice(STACK)
    driver.load(device, SIGNED)
    for index, data in enumerate(unpack(IMAGE).layers):
        assert device.layer_data(index) == data


def test_each_refusal_has_its_error(driver):
    assert verdict(driver, IMAGE) == "UNSIGNED READ"  # the source has nothing behind the image
    assert verdict(driver, IMAGE + b"\xff" * 112) == "SECTION UNSIGNED"  # as behind one in a flash
    assert verdict(driver, sign(IMAGE, OTHER)) == "KEY"
    assert verdict(driver, resigned(IMAGE, PUBLIC, bytes(64))) == "SIGNATURE"
    device = FakeDevice(STACK)
    assert driver.load(device, sign(IMAGE, OTHER), FORCE) == "KEY"
    assert device.accesses == 0


def test_a_changed_section_is_refused_with_its_checksums_made_good(driver):
    frame, behind = split(IMAGE), SIGNED[len(IMAGE) :]
    tags = set()
    for number, section in enumerate(frame.sections):
        payload = bytearray(section.payload)
        payload[-1] ^= 1
        sections = [*frame.sections]
        sections[number] = section._replace(payload=bytes(payload))
        changed = join(frame.version, frame.fingerprint, sections)
        assert (len(changed), changed == IMAGE) == (len(IMAGE), False)
        assert verdict(driver, changed + behind) == "SIGNATURE"
        tags.add(section.tag)
    assert tags == set(SECTIONS)
    for name in ("version", "fingerprint", "sections"):
        header = {"version": 1, "fingerprint": int(frame.fingerprint, 16), "sections": len(frame.sections)}
        changed = forge([tuple(s) for s in frame.sections], **header | {name: header[name] ^ 3})
        assert verdict(driver, changed + behind) == "SIGNATURE"


def test_a_flipped_bit_is_refused_wherever_it_is(driver):
    data, found = bytearray(SIGNED), set()
    at, places = 0, [0, 8, 12, 16, 24, 28]  # of the header
    for section in split(IMAGE).sections:
        at = SIGNED.index(section.content())
        places += [at, at + 4, at + 8, at + 12, at + len(section.content())]
    for place in [*places, *range(len(IMAGE) - 32, len(SIGNED))]:
        data[place] ^= 4
        found.add(verdict(driver, bytes(data)))
        data[place] ^= 4
    assert {"MAGIC", "CRC", "DIGEST"} <= {word for verdict in found for word in verdict.split()}
    assert "OK" not in found


def test_a_cut_image_is_refused_at_every_length(driver):
    assert {verdict(driver, SIGNED[:length]) for length in range(0, len(SIGNED), 7)} <= {
        "LENGTH READ", "LENGTH", "UNSIGNED READ",
    }  # fmt: skip


@needs_compiler
def test_a_lock_without_a_verifier_takes_nothing(tmp_path):
    driver = locked(tmp_path, "0")
    for data in (IMAGE, SIGNED):
        device = FakeDevice(STACK)
        assert driver.load(device, data) == "VERIFIER"
        assert device.accesses == 0


def test_a_driver_without_a_lock_takes_signed_images_and_others(driver_without_lock):
    for data in (IMAGE, SIGNED):
        assert driver_without_lock.check(data) == driver_without_lock.check_digest(data) == "OK"
        device = FakeDevice(STACK)
        assert (driver_without_lock.load(device, data), device.enabled) == ("OK", True)


def test_what_stands_behind_an_image_is_checked_without_a_lock(driver_without_lock):
    behind = SIGNED[len(IMAGE) :]
    flipped = behind[:50] + bytes([behind[50] ^ 1]) + behind[51:]
    for data, error in (
        (IMAGE + flipped, "CRC"), (IMAGE + bytes(112), "CRC"), (IMAGE + bytes(111), "LENGTH"), (SIGNED + b"\0", "LENGTH"),
        (IMAGE + forge([(b"TABL", 0, bytes(96))])[32:-32], "SECTION"),
    ):  # fmt: skip
        assert driver_without_lock.check(data) == driver_without_lock.check_digest(data) == error


@pytest.fixture(scope="module")
def driver_without_lock(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("needs a C compiler")
    return build(tmp_path_factory.mktemp("open"))
