"""Loading over the register bus: the device holds exactly the network; anything unexpected is one sentence."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware import image
from ohmgate.firmware.loader import check_sequences, load
from ohmgate.firmware.transactions import BusError, LoadError, Read, Write, run
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.designs import perhaps_tiled, random_design, random_network, seeds
from tests.firmware.fake_device import FakeDevice


def case(seed, **options):
    rng = np.random.default_rng(seed)
    return random_network(perhaps_tiled(random_design(rng, **options), rng), rng)


def loaded(device):
    return tuple(device.layer_data(k) for k in range(len(device.design.layers)))


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_a_loaded_device_holds_the_network_and_is_enabled(seed):
    network = case(seed)
    device = FakeDevice(network.design, programming=3)
    run(load(image.pack(network)), device)
    assert loaded(device) == network.layers
    assert device.enabled
    assert not device.error
    assert device.pending == 0


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_device_in_use_takes_another_model_of_its_design(seed):
    network = case(seed)
    other = random_network(network.design, np.random.default_rng(seed + 1))
    device = FakeDevice(network.design)
    run(load(network), device)
    run(load(other), device)
    assert loaded(device) == other.layers
    assert device.enabled
    assert device.resets == 2


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_without_weights_only_tables_and_gains_change(seed):
    network = case(seed)
    other = random_network(network.design, np.random.default_rng(seed + 1))
    device = FakeDevice(network.design)
    run(load(network), device)
    run(load(other, weights=False), device)
    for found, old, new in zip(loaded(device), network.layers, other.layers):
        assert found == dataclasses.replace(new, weights=old.weights)


def test_progress_counts_every_word_to_the_total():
    network = case(5, layers=2, tables="loaded")
    reports = []
    run(load(network, progress=lambda done, total: reports.append((done, total))), FakeDevice(network.design))
    words = sum(
        x.gates + (d.tables.size if d.tables is not None else 0) + d.weights.size
        for x, d in zip(network.design.layers, network.layers)
    )
    assert reports[-1] == (words, words)
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})


def test_a_bad_image_is_refused_before_the_first_access():
    with pytest.raises(image.ImageError, match="header"):
        load(b"nothing")


def test_a_wrong_fingerprint_is_refused_before_anything_is_written():
    network, other = case(1), case(2)
    device = FakeDevice(other.design)
    with pytest.raises(LoadError) as error:
        run(load(network), device)
    assert str(error.value) == (
        f"the device was built for the design with fingerprint {other.design.fingerprint}, "
        f"but the image is of {network.design.fingerprint}"
    )
    assert device.written == 0


def test_forced_with_a_wrong_fingerprint_the_device_refuses():
    network, other = case(1), case(2)
    device = FakeDevice(other.design)
    run(load(other), device)
    with pytest.raises(LoadError, match=f"^the device refused the fingerprint {network.design.fingerprint}$"):
        run(load(network, force=True), device)
    assert device.refused
    assert not device.unlocked
    assert not device.enabled
    assert loaded(device) == other.layers


def test_forced_with_the_right_fingerprint_loads():
    network = case(1)
    device = FakeDevice(network.design)
    run(load(network, force=True), device)
    assert loaded(device) == network.layers


@pytest.mark.parametrize(
    "register, value, sentence",
    [
        ("ID", 0x12345678, "the device's ID must be 0x4F484D47, not 0x12345678"),
        ("VERSION", 1 << 24, "the device's register table must have version 2, not 1"),
        ("LAYERS", 7, "the device has 7 layers, but the image has 2"),
        ("GEOMETRY", 0, "layer 0: the device's GEOMETRY.ROWS is 0, but the image has {rows}"),
        ("FORMAT", 0xFFF, "layer 0: the device's FORMAT.DAC_BITS is 15, but the image has {bits}"),
        (
            "STATUS",
            0b10001,
            "STATUS has ERROR: the device answered an access with a bus error while it was loaded",
        ),
        ("STATUS", 0b01001, "the device is still programming cells after 10 reads of STATUS"),
        ("STATUS", 0, "the device refused the fingerprint {fingerprint}"),
    ],
)
def test_every_unexpected_word_has_its_sentence(register, value, sentence):
    network = case(3, layers=2)
    device = FakeDevice(network.design)
    honest = device.read
    device.read = lambda address: value if address == BY_NAME[register].address else honest(address)
    first = network.design.layers[0]
    with pytest.raises(LoadError) as error:
        run(load(network, polls=10), device)
    assert str(error.value) == sentence.format(
        rows=first.rows, bits=first.dac_bits, fingerprint=network.design.fingerprint
    )


@pytest.mark.parametrize(
    "register, writes, stays",
    [
        ("LAYERS", set(), True),
        ("FORMAT", {"LAYER"}, True),
        ("STATUS", {"LAYER", "CONTROL", "UNLOCK_LOW", "UNLOCK_HIGH"}, False),
    ],
)
def test_what_a_failure_leaves_of_a_device_in_use(register, writes, stays):
    """As docs/image.md says: until all comparisons are done nothing but LAYER is written, then ENABLE is gone."""
    network = case(3, layers=2)
    device = FakeDevice(network.design)
    run(load(network), device)
    honest, write, written = device.read, device.write, set()
    device.read = lambda address: 0 if address == BY_NAME[register].address else honest(address)
    names = {r.address: name for name, r in BY_NAME.items()}
    device.write = lambda address, value: written.add(names[address]) or write(address, value)
    with pytest.raises(LoadError):
        run(load(network), device)
    assert written == writes
    assert device.enabled == stays
    assert all(device.layer_data(k) == data for k, data in enumerate(network.layers))


def test_another_minor_version_is_accepted():
    network = case(3)
    device = FakeDevice(network.design)
    device.version += 1 << 16
    run(load(network), device)
    assert device.enabled


def test_a_bus_error_names_the_access():
    network = case(3)
    device = FakeDevice(network.design)
    honest = device.write

    def write(address, value):
        if address == BY_NAME["GAIN"].address:
            raise BusError("no answer")
        honest(address, value)

    device.write = write
    gain = BY_NAME["GAIN"].pack(MULT=int(network.layers[0].mult[0]), SHIFT=int(network.layers[0].shift[0]))
    with pytest.raises(LoadError, match=f"^the device refused the write of 0x{gain:08X} to GAIN$"):
        run(load(network), device)
    assert not device.enabled


def test_transactions_are_data():
    assert Read(BY_NAME["ID"]) == Read(BY_NAME["ID"])
    assert str(Write(BY_NAME["ROW"], 3)) == "write of 0x00000003 to ROW"


@pytest.mark.parametrize("name", ["GAIN", "TABLE_ADDRESS", "TABLE_DATA", "ROW", "COLUMN", "LEVEL", "SEAL"])
def test_the_fake_device_refuses_loading_while_locked_and_while_enabled(name):
    network = case(3)
    device = FakeDevice(network.design)
    with pytest.raises(BusError):
        device.write(BY_NAME[name].address, 0)
    run(load(network), device)
    with pytest.raises(BusError):
        device.write(BY_NAME[name].address, 0)
    assert device.error


def test_a_device_that_refused_a_sequence_is_told_of():
    """Its twin stands for the device."""
    design = Design("turned", (LstmLayer(inputs=1, hidden=1, adcs=4, direction="reverse", max_steps=9),))
    twin = RegisterTwin(design)
    run(check_sequences(design), TwinBus(twin))
    twin.too_long = 1
    said = "^the device has refused a sequence of more than the 9 steps that it keeps: it has no results$"
    with pytest.raises(LoadError, match=said):
        run(check_sequences(design), TwinBus(twin))
    twin.access(BY_NAME["CONTROL"].address, BY_NAME["CONTROL"].pack(CLEAR=1))
    run(check_sequences(design), TwinBus(twin))


def test_a_device_without_layers_in_reverse_is_not_asked():
    design = Design("plain", (LstmLayer(inputs=1, hidden=1, adcs=4),))
    assert list(check_sequences(design)) == []
    assert RegisterTwin(design).access(BY_NAME["SEQUENCES"].address) is None


class TwinBus:
    """A bus to a :class:`RegisterTwin`."""

    def __init__(self, twin: RegisterTwin):
        self.twin = twin

    def read(self, address: int) -> int:
        return self.twin.access(address)
