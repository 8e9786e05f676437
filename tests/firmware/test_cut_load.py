"""A load that is cut after any access: the device is never enabled with cells of two networks, or with some missing."""

import numpy as np
import pytest

from ohmgate.firmware.image import pack
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import BusError, LoadError, run
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import Network
from ohmgate.model.registers import BY_NAME
from tests.designs import random_network
from tests.firmware.c_driver import KEEP_WEIGHTS
from tests.firmware.fake_device import FakeDevice
from tests.firmware.rtl_device import RtlDevice

TINY = Design("tiny", (
    LstmLayer(inputs=1, hidden=1, adcs=4, dac_bits=2, adc_bits=2, bias_rows=0, tables="constant"),
    DenseLayer(inputs=1, outputs=2, adcs=1, dac_bits=2, bias_rows=0, output="argmax"),
))  # fmt: skip
OLD, NEW = (random_network(TINY, np.random.default_rng(seed)) for seed in (1, 2))
SENTENCE = "the device's cells were not loaded to the end; load it with its weights"
CONTROL, STATUS = BY_NAME["CONTROL"].address, BY_NAME["STATUS"]


class Fake(FakeDevice):
    """A device at register level; a cell and a seal take two reads of STATUS."""

    def __init__(self):
        super().__init__(TINY, programming=2)
        self.seen = self

    def reset(self) -> None:
        self.power_cycle()


class Cut:
    """A bus that is gone from access number ``at`` on; ``accesses`` counts those before."""

    def __init__(self, device, at: int | None = None):
        self.device, self.at, self.accesses = device, at, 0

    def read(self, address):
        self._next()
        return self.device.read(address)

    def write(self, address, value):
        self._next()
        self.device.write(address, value)

    def _next(self):
        if self.accesses == self.at:
            raise BusError("gone")
        self.accesses += 1


@pytest.fixture(params=["Python", "C"])
def loads(request):
    """``loads(device, network, weights)`` loads with one of the drivers, or fails with :class:`LoadError`."""
    if request.param == "Python":
        return lambda device, network, weights=True: run(load(network, weights=weights), device)
    driver = request.getfixturevalue("driver")

    def by_c(device, network, weights=True):
        error = driver.load(device, pack(network), 0 if weights else KEEP_WEIGHTS)
        if error != "OK":
            raise LoadError(SENTENCE if error == "SEAL" else error)

    return by_c


def cells_of(network: Network) -> list[list[int]]:
    """Levels of each layer, as a device has them after a load."""
    device = FakeDevice(TINY)
    run(load(network), device)
    return cells(device)


def cells(device) -> list[list[int]]:
    return [levels.reshape(-1).tolist() for levels in device.levels]


def sealed(device) -> bool:
    """STATUS.SEALED, once nothing is being programmed; it must be what the seals say."""
    while (status := STATUS.unpack(device.read(STATUS.address)))["PROGRAMMING"]:
        pass
    assert status["SEALED"] == all(device.seen.seals)
    return bool(status["SEALED"])


def enabled_by_hand(device) -> bool:
    try:
        device.write(CONTROL, 1)
    except BusError:
        return False
    device.write(CONTROL, 0)
    return True


def rtl() -> RtlDevice:
    return RtlDevice(TINY, programming=2)


CASES = [(by, make, before) for by in ("Python", "C") for make in (Fake, rtl) for before in (OLD, None)]


@pytest.mark.parametrize("loads, make, before", [
    pytest.param(*case, marks=[pytest.mark.full] * (case[1] is rtl and case != ("Python", rtl, OLD))) for case in CASES
], indirect=["loads"])  # fmt: skip
def test_a_load_that_is_cut_after_any_access(loads, make, before):
    """Of a device with another network, or of one without; ``whole`` are the cells that it may run with."""
    old, new = cells_of(OLD), cells_of(NEW)
    whole = [old, new] if before else [new]
    assert all(a != b for a, b in zip(old, new))
    device = make()
    bus = Cut(device)
    loads(bus, NEW)
    ends = {True: 0, False: 0}
    for at in range(bus.accesses):
        if before:
            loads(device, before)
        else:
            device = make()
        with pytest.raises(LoadError):
            loads(Cut(device, at), NEW)
        assert not device.enabled or cells(device.seen) == old, "it is enabled until it is stopped"
        device.write(CONTROL, 0)
        seal = sealed(device)
        ends[seal] += 1
        for index, has in enumerate(device.seen.seals):
            assert not has or cells(device.seen)[index] in [one[index] for one in whole]
        assert not seal or cells(device.seen) in whole
        if seal:  # all of a network, gains and tables too: it may be enabled by hand
            assert [device.layer_data(k) for k in range(2)] in [list(OLD.layers), list(NEW.layers)]
        assert not enabled_by_hand(device) or seal
        device.reset()
        assert sealed(device) == seal, "it keeps without power"
        assert not enabled_by_hand(device), "locked"
        if seal:
            loads(device, OLD if cells(device.seen) == old else NEW, weights=False)
            assert device.enabled
        else:
            with pytest.raises(LoadError, match=f"^{SENTENCE}$"):
                loads(device, NEW, weights=False)
            assert not device.enabled
            assert not enabled_by_hand(device), "unlocked, and without its seals"
    assert ends[False] > sum(len(levels) for levels in new)
    assert ends[True] >= 1
    loads(device, NEW)
    assert device.enabled
    assert cells(device.seen) == new


@pytest.mark.parametrize("make", [Fake, rtl])
def test_cells_and_their_seals_outlive_a_reset(loads, make):
    """Registers do not: gains and tables are loaded again, without a cell or a seal being written."""
    device = make()
    loads(device, OLD)
    before, written = cells(device.seen), device.cells if isinstance(device, RtlDevice) else None
    device.reset()
    assert STATUS.unpack(device.read(STATUS.address)) == {
        "UNLOCKED": 0, "REFUSED": 0, "BUSY": 0, "PROGRAMMING": 0, "ERROR": 0, "SEALED": 1,
    }  # fmt: skip
    seen = []
    bus = Cut(device)
    bus.write = lambda address, value: seen.append(address) or device.write(address, value)
    loads(bus, NEW, weights=False)
    assert device.enabled
    assert cells(device.seen) == before
    assert written is None or device.cells == written
    assert not {BY_NAME["LEVEL"].address, BY_NAME["SEAL"].address} & set(seen)
    assert [device.layer_data(k).mult.tolist() for k in range(2)] == [layer.mult.tolist() for layer in NEW.layers]


def test_seals_come_last_and_in_the_order_of_layers():
    """After every cell of every layer, and after a STATUS without PROGRAMMING; then a STATUS again, and ENABLE."""
    names, device = [], Fake()
    transactions, answer = load(NEW), None
    while True:
        try:
            transaction = transactions.send(answer)
        except StopIteration:
            break
        name, value = transaction.register.name, getattr(transaction, "value", None)
        names.append(name if value is None else f"{name}={value}")
        answer = device.read(transaction.register.address) if value is None else None
        if value is not None:
            device.write(transaction.register.address, value)
    end = names[-12:]
    assert end[0].startswith("GAIN=")
    kinds = [name.partition("=")[0] for name in names]
    assert kinds.index("LEVEL") < kinds.index("GAIN"), "cells come first: they break the seal"
    assert end[1:] == ["STATUS"] * 3 + ["LAYER=0", "SEAL=1", "LAYER=1", "SEAL=1"] + ["STATUS"] * 3 + ["CONTROL=1"]
