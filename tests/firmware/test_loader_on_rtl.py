"""Both drivers against the RTL's register bus: the array and table ports see exactly the network.

The Python loader addresses every row and table; the C driver lets the addresses advance by themselves.
"""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.firmware.image import pack
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import BusError, LoadError, run
from ohmgate.hdl.register_twin import COUNTERS
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.designs import perhaps_tiled, random_design, random_network
from tests.firmware.c_driver import FORCE, KEEP_WEIGHTS, POLLS
from tests.firmware.fake_device import FakeDevice
from tests.firmware.rtl_device import RtlDevice

STACK = Design("stack", (
    LstmLayer(inputs=1, hidden=2, adcs=4, adc_bits=2, weight_bits=3, activation_bits=9, dac_bits=3, bias_rows=0),
    DenseLayer(inputs=2, outputs=3, adcs=3, dac_bits=3, adc_bits=1, output_bits=2, weight_bits=1),
    LstmLayer(inputs=3, hidden=1, adcs=4, dac_bits=2, adc_bits=3, tables="constant"),
    DenseLayer(inputs=1, outputs=5, adcs=1, dac_bits=2, weight_bits=8, output="argmax", bias_rows=2),
))  # fmt: skip
SMALLEST = Design("smallest", (DenseLayer(inputs=1, outputs=1, adcs=1, adc_bits=1, bias_rows=0, output_bits=1),))


def random_case(seed: int) -> Design:
    rng = np.random.default_rng(seed)
    return perhaps_tiled(random_design(rng, layers=1 + seed % 3, max_outputs=4, max_inputs=3, max_bits=5), rng)


DESIGNS = [STACK, SMALLEST, *map(random_case, range(4))]


@pytest.fixture(params=["Python", "C"])
def loads(request):
    """``loads(device, network)`` loads with one of the drivers, or fails with :class:`LoadError`."""
    if request.param == "Python":
        return lambda device, network: run(load(pack(network)), device)
    driver = request.getfixturevalue("driver")

    def by_c(device, network):
        error = driver.load(device, pack(network))
        if error != "OK":
            raise LoadError(error)

    return by_c


def check(device, network) -> None:
    assert device.enabled
    for index, data in enumerate(network.layers):
        assert device.layer_data(index) == data, f"layer {index}"


@pytest.mark.parametrize("design", DESIGNS, ids=range(len(DESIGNS)))
def test_the_rtl_hands_on_exactly_the_network(loads, design):
    network = random_network(design, np.random.default_rng(5))
    device = RtlDevice(design)
    loads(device, network)
    check(device, network)
    tables = [
        d.tables for x, d in zip(design.layers, network.layers) if x.tables == "loaded" and d.tables is not None
    ]
    assert device.cells == sum(x.rows * x.columns for x in design.layers), "each cell once"
    assert device.entries == sum(t.size for t in tables), "each entry once"
    assert device.resets == 1
    assert BY_NAME["STATUS"].unpack(device.read(BY_NAME["STATUS"].address)) == {
        "UNLOCKED": 1, "REFUSED": 0, "BUSY": 0, "PROGRAMMING": 0, "ERROR": 0, "SEALED": 1,
    }  # fmt: skip


def test_a_driver_waits_for_the_last_cell(loads):
    """Which takes longer than all accesses that follow it; the device checks that it is not enabled before."""
    network = random_network(SMALLEST, np.random.default_rng(0))
    device = RtlDevice(SMALLEST, programming=80)
    loads(device, network)
    check(device, network)


class Interrupted:
    """A bus that goes away at write number ``at``."""

    def __init__(self, device, at: int):
        self.device, self.left = device, at
        self.read = device.read

    def write(self, address, value):
        if self.left == 0:
            raise BusError("no answer")
        self.left -= 1
        self.device.write(address, value)


def registers(**values: int) -> list[tuple[int, int]]:
    return [(BY_NAME[name].address, value) for name, value in values.items()]


@pytest.mark.parametrize("at", [3, 9, 15, 26, 31, 44, 58, 75])
def test_a_load_after_an_interrupted_one(loads, at):
    """Addresses stand somewhere, another layer is selected, ERROR is set and counters run: all of it is put right."""
    old, new = (random_network(STACK, np.random.default_rng(k)) for k in (1, 2))
    device = RtlDevice(STACK, programming=1)
    with pytest.raises(LoadError):
        loads(Interrupted(device, at), old)
    assert not device.enabled
    resets = device.resets
    device.count(busy=1, step_taken=1, cell_saturations=7, adc_saturations=9)
    for address, value in registers(LAYER=1, ROW=1, COLUMN=2, TABLE_ADDRESS=1):
        try:
            device.write(address, value)
        except BusError:
            assert at < 8, "locked: nothing was loaded"
    with pytest.raises(BusError):
        device.write(BY_NAME["ID"].address, 0)
    loads(device, new)
    check(device, new)
    assert device.resets == resets + 1
    assert [device.read(BY_NAME[name].address) for name in COUNTERS] == [0, 0, 0, 0]


def test_an_interruption_at_any_write_is_put_right(loads):
    """On the fake device, at every single write."""
    networks = [random_network(STACK, np.random.default_rng(k)) for k in (1, 2)]
    whole = FakeDevice(STACK)
    loads(whole, networks[0])
    for at in range(whole.written):
        device = FakeDevice(STACK, programming=2)
        with pytest.raises(LoadError):
            loads(Interrupted(device, at), networks[0])
        assert not device.enabled
        loads(device, networks[1])
        check(device, networks[1])


class Failing:
    """A bus whose access number ``at`` fails, and which counts all of them by register."""

    def __init__(self, device, at: int | None = None):
        self.device, self.at, self.accesses = device, at, []

    def read(self, address):
        self._next(address)
        return self.device.read(address)

    def write(self, address, value):
        self._next(address)
        self.device.write(address, value)

    def _next(self, address):
        if len(self.accesses) == self.at:
            raise BusError("no answer")
        self.accesses.append(address)


def test_every_access_that_fails_is_noticed_at_once(driver):
    network = random_network(STACK, np.random.default_rng(1))
    image, whole = pack(network), Failing(FakeDevice(STACK))
    assert driver.load(whole, image) == "OK"
    for at in range(len(whole.accesses)):
        bus = Failing(FakeDevice(STACK), at)
        assert driver.load(bus, image) == "BUS"
        assert bus.accesses == whole.accesses[:at], "nothing is tried after it"
        assert not bus.device.enabled


def test_a_device_that_does_not_finish_is_asked_so_often_and_no_more(driver):
    network, status = random_network(SMALLEST, np.random.default_rng(1)), BY_NAME["STATUS"].address
    for polls in (1, 2, 9):
        bus = Failing(FakeDevice(SMALLEST, programming=1000))
        with pytest.raises(LoadError, match=f"^the device is still programming cells after {polls} reads of STATUS$"):
            run(load(network, polls=polls), bus)
        assert bus.accesses.count(status) == 1 + polls
    bus = Failing(FakeDevice(SMALLEST, programming=1000))
    assert driver.load(bus, pack(network)) == "TIMEOUT"
    assert bus.accesses.count(status) == 1 + POLLS
    bus = Failing(FakeDevice(SMALLEST, programming=POLLS - 1))
    assert driver.load(bus, pack(network)) == "OK", "done at the last read, the last cell and its seal"
    assert bus.accesses.count(status) == 1 + 2 * POLLS
    for programming, reads in ((0, 3), (5, 13)):
        bus = Failing(FakeDevice(SMALLEST, programming=programming))
        run(load(network, polls=6), bus)
        assert bus.accesses.count(status) == reads


ADDRESSES = {BY_NAME[name].address for name in ("TABLE_ADDRESS", "ROW", "COLUMN")}


class Recorder:
    """Passes accesses on and notes them: (name, value written or None)."""

    def __init__(self, device):
        self.device, self.accesses = device, []

    def read(self, address):
        self.accesses.append((address, None))
        return self.device.read(address)

    def write(self, address, value):
        self.accesses.append((address, value))
        self.device.write(address, value)


@pytest.mark.parametrize("flags", [0, KEEP_WEIGHTS, FORCE, KEEP_WEIGHTS | FORCE])
def test_both_drivers_do_the_same_but_for_addresses(driver, flags):
    network = random_network(STACK, np.random.default_rng(3))
    buses = [Recorder(FakeDevice(STACK)) for _ in range(2)]
    for bus in buses:
        run(load(network), bus.device)
    run(load(network, weights=not flags & KEEP_WEIGHTS, force=bool(flags & FORCE)), buses[0])
    assert driver.load(buses[1], pack(network), flags) == "OK"
    python, c = ([access for access in bus.accesses if access[0] not in ADDRESSES] for bus in buses)
    assert python == c
    addresses = [access for access in buses[1].accesses if access[0] in ADDRESSES]
    tables, cells = registers(TABLE_ADDRESS=0), registers(ROW=0, COLUMN=0)
    cells = [] if flags & KEEP_WEIGHTS else cells
    assert addresses == [*cells, *tables, *cells, *tables, *cells, *cells], "once for each layer"


@pytest.mark.parametrize("force", [False, True])
def test_the_rtl_refuses_a_wrong_fingerprint(driver, force):
    network = random_network(STACK, np.random.default_rng(1))
    layers = (*STACK.layers[:3], replace(STACK.layers[3], emit="end"))
    device = RtlDevice(Design("other", layers))  # of the same geometry
    sentence = "^the device refused the fingerprint" if force else "^the device was built for the design"
    with pytest.raises(LoadError, match=sentence):
        run(load(network, force=force), device)
    assert driver.load(device, pack(network), FORCE * force) == ("REFUSED" if force else "FINGERPRINT")
    assert (device.cells, device.entries, device.enabled) == (0, 0, False)
