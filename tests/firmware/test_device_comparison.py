"""What both drivers compare before they write anything but LAYER: every field of every word, alone."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.firmware.image import pack
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import LoadError, run
from ohmgate.model.registers import BY_NAME
from tests.designs import random_network
from tests.firmware.both_readers import DESIGN
from tests.firmware.fake_device import FakeDevice

NETWORK = random_network(DESIGN, np.random.default_rng(0))
LAST = len(DESIGN.layers) - 1


class Other(FakeDevice):
    """The right device but for one bit of one register, for a layer's registers while that ``layer`` is selected."""

    def __init__(self, register: str, bit: int, layer: int | None = None):
        super().__init__(DESIGN)
        self.register, self.bit, self.of = BY_NAME[register], bit, layer

    def read(self, address: int) -> int:
        value = super().read(address)
        changed = address == self.register.address and self.of in (None, self.words["LAYER"])
        return value ^ 1 << self.bit if changed else value


def check(driver, device: Other, c: str, words: str) -> None:
    """Refused by both drivers before anything but LAYER is written."""
    assert driver.load(device, pack(NETWORK)) == c
    with pytest.raises(LoadError) as error:
        run(load(NETWORK), device)
    assert str(error.value).startswith(words)
    assert device.written <= 2 * len(DESIGN.layers)
    assert not device.unlocked


FIELDS = [
    (name, field, bit, layer)
    for name in ("GEOMETRY", "FORMAT")
    for field in BY_NAME[name].fields
    for bit in (field.lsb, field.lsb + field.width - 1)
    for layer in (0, LAST)
]


@pytest.mark.parametrize("name, field, bit, layer", FIELDS, ids=[f"{n}.{f.name} {b} {k}" for n, f, b, k in FIELDS])
def test_every_field_of_every_layer(driver, name, field, bit, layer):
    device = Other(name, bit, layer)
    right = FakeDevice(DESIGN)
    right.write(BY_NAME["LAYER"].address, layer)
    word = right.read(BY_NAME[name].address)
    found, expected = (BY_NAME[name].unpack(w)[field.name] for w in (word ^ 1 << bit, word))
    words = f"layer {layer}: the device's {name}.{field.name} is {found}, but the image has {expected}"
    check(driver, device, "MISMATCH", words)


@pytest.mark.parametrize("bit", range(32))
def test_every_bit_of_the_identification(driver, bit):
    check(driver, Other("ID", bit), "DEVICE", "the device's ID must be 0x4F484D47, not 0x")
    for half in ("FINGERPRINT_LOW", "FINGERPRINT_HIGH"):
        words = "the device was built for the design with fingerprint"
        check(driver, Other(half, bit), "FINGERPRINT", words)
    check(driver, Other("LAYERS", bit), "MISMATCH", f"the device has {LAST + 1 ^ 1 << bit} layers, but the image has")
    if bit >= 24:
        check(driver, Other("VERSION", bit), "VERSION", "the device's register table must have version 2, not")
    else:  # another minor version or patch
        assert driver.load(Other("VERSION", bit), pack(NETWORK)) == "OK"
        run(load(NETWORK), Other("VERSION", bit))


@pytest.mark.parametrize("bits, verdict", [((), "OK"), ((0,), "REFUSED"), ((1,), "REFUSED"), ((0, 1), "REFUSED"),
                                           ((2,), "OK"), ((4,), "STATUS")])  # fmt: skip
def test_status_after_the_unlocking(driver, bits, verdict):
    """Flipped bits of STATUS: 0 UNLOCKED, 1 REFUSED, 2 BUSY, 4 ERROR."""

    def device():
        one = FakeDevice(DESIGN)
        honest, status = one.read, BY_NAME["STATUS"].address
        one.read = lambda address: honest(address) ^ sum(1 << bit for bit in bits) * (address == status)
        return one

    sentence = {
        "REFUSED": f"the device refused the fingerprint {DESIGN.fingerprint}",
        "STATUS": "STATUS has ERROR: the device answered an access with a bus error while it was loaded",
    }
    by_c, by_python = device(), device()
    assert driver.load(by_c, pack(NETWORK)) == verdict
    if verdict == "OK":
        run(load(NETWORK), by_python)
    else:
        with pytest.raises(LoadError) as error:
            run(load(NETWORK), by_python)
        assert str(error.value) == sentence[verdict]
    assert by_c.enabled == by_python.enabled == (verdict == "OK")


def test_a_device_of_one_layer_more_or_less_is_refused_by_its_count(driver):
    """With the image's own fingerprint, so that only LAYERS tells."""
    for layers in (DESIGN.layers[:1], (*DESIGN.layers, replace(DESIGN.layers[1], inputs=3, dac_bits=2))):
        device = FakeDevice(replace(DESIGN, layers=layers))
        value = {BY_NAME["FINGERPRINT_LOW"].address: int(DESIGN.fingerprint, 16) & 0xFFFFFFFF,
                 BY_NAME["FINGERPRINT_HIGH"].address: int(DESIGN.fingerprint, 16) >> 32}  # fmt: skip
        honest = device.read
        device.read = lambda address, honest=honest, value=value: value.get(address, honest(address))
        assert driver.load(device, pack(NETWORK)) == "MISMATCH"
        assert device.written == 0
