"""A chip without Verilog: loaded, measured and run over its bus as the reference and the array model say."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import BusError, run
from ohmgate.model import reference
from ohmgate.model.bit_fields import signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import ADJUST_GAIN, ADJUST_OFFSET, ADJUST_SPARE, NO_STEP, code_words
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import physical_order
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.simulated_chip import SimulatedChip
from tests.designs import perhaps_simple, random_design, random_inputs, random_network

LSTM = LstmLayer(inputs=5, hidden=6, adcs=8, adc_bits=5, diagnostics=True, spares=2)
HEAD = DenseLayer(inputs=6, outputs=9, adcs=3, adc_bits=8, output="argmax", emit="end", diagnostics=True)
DESIGN = Design("chip", (LSTM, HEAD))


class Host:
    """Reads and writes registers by name."""

    def __init__(self, config=None, seed=3, design=DESIGN):
        self.network = random_network(design, np.random.default_rng(1))
        self.chip = SimulatedChip(design, config, seed)

    def load(self, **options):
        run(load(self.network, **options), self.chip)
        return self

    def write(self, **values):
        for name, value in values.items():
            self.chip.write(BY_NAME[name].address, value)

    def read(self, name):
        return self.chip.read(BY_NAME[name].address)

    def measure(self, layer=0):
        """Stop the chip and take its rows, codes 0."""
        self.write(CONTROL=2, LAYER=layer, DIAG_CONTROL=1 | 8)

    def codes(self):
        """(K,) of the last conversion."""
        layer = self.chip.registers.layer
        words = sum(self.read("DIAG_RESULT") << 32 * k for k in range(code_words(layer)))
        return signed(
            unpack(words & 2 ** (layer.adcs * layer.adc_bits) - 1, layer.adc_bits, layer.adcs), layer.adc_bits
        )


@pytest.mark.parametrize("seed", range(8))
def test_a_chip_without_noise_gives_the_references_integers(seed):
    rng = np.random.default_rng(seed)
    design = perhaps_simple(random_design(rng), rng)
    host = Host(design=design).load()
    codes, lengths = random_inputs(design, rng)
    expected = reference.run(host.network, codes, lengths)
    assert np.array_equal(host.chip.run(codes, lengths)[0], expected.out)
    held = host.chip.network()
    assert held.layers == host.network.layers
    assert host.chip.programmed == sum(layer.rows * layer.columns for layer in design.layers)
    assert host.chip.conversions == 0


@pytest.mark.parametrize("name", ["paper", "reram", "pcm"])
def test_a_noisy_chip_is_that_of_the_array_model(name):
    host = Host(preset(name)).load()
    codes, lengths = random_inputs(DESIGN, np.random.default_rng(4), batch=30)
    arrays = build_arrays(host.network, preset(name), 3)
    out = reference.run(host.network, codes, lengths, convert_through(arrays)).out
    given, classes = host.chip.run(codes, lengths)
    assert np.array_equal(given, out)
    assert np.array_equal(classes, out[:, 0])
    assert (out != reference.run(host.network, codes, lengths).out).any()


def test_classes_are_the_heads_largest_codes_on_the_last_step():
    design = Design("chip", (LSTM, replace(HEAD, output="codes", emit="step")))
    host = Host(design=design).load()
    codes, lengths = random_inputs(design, np.random.default_rng(4))
    out, classes = host.chip.run(codes, lengths)
    assert np.array_equal(classes, [o[n - 1].argmax() for o, n in zip(out, lengths)])
    assert Host(design=Design("chip", (replace(LSTM, output="value"),))).load().chip.run(codes)[1] is None


def test_conversions_have_the_codes_of_any_rows():
    host = Host().load()
    host.measure()
    drive = np.random.default_rng(5).integers(-7, 8, 11)
    for code in drive.tolist():
        host.write(DIAG_CODE=code & 0xF)
    data = host.network.layers[0]
    columns = physical_order(LSTM)
    gate = columns // LSTM.hidden
    for bias in (0, 1):
        host.write(DIAG_CONTROL=1 | bias << 1 | 4)  # and advance
        rows = np.append(drive, 7 * bias)
        exact = reference.adc_codes(rows @ data.weights[:, columns], data.mult[gate], data.shift[gate], 5)
        host.write(DIAG_CONVERT=0)
        for step in range(3):
            assert np.array_equal(host.codes(), exact[step::3])
    assert host.chip.conversions == 6
    host.write(DIAG_CONTROL=1, GAIN=1)  # 1 / 2^0 of gate f
    host.write(DIAG_CONVERT=1)
    assert np.array_equal(host.codes()[:2], np.clip(drive @ data.weights[:-1, columns[[1, 4]]], -16, 15))


def test_spares_are_programmed_read_and_trimmed():
    host = Host().load()
    host.measure()
    host.write(DIAG_CODE=1, ROW=0, COLUMN=24 + 3 * 2 + 1, LEVEL=5, GAIN=1 | 1 << 16)
    host.write(DIAG_ADJUST_AT=3 | ADJUST_SPARE + 1 << 16, DIAG_ADJUST=2, DIAG_CONVERT=2)
    assert host.codes()[3] == 5
    host.write(DIAG_CONVERT=1)
    own = host.codes()[3]
    host.write(DIAG_ADJUST_AT=3 | ADJUST_OFFSET << 16, DIAG_ADJUST=-24 & 0xFFFF, DIAG_CONVERT=1)
    assert host.codes()[3] == own - 3
    host.write(DIAG_ADJUST_AT=3 | ADJUST_GAIN << 16, DIAG_ADJUST=64, DIAG_CONVERT=2)
    assert host.codes()[3] == 2  # (5 - 3) * 1.25
    host.write(DIAG_ADJUST_AT=3 | ADJUST_SPARE + 1 << 16, DIAG_ADJUST=NO_STEP, DIAG_CONVERT=2)
    assert host.codes()[3] == np.floor((int(host.chip.arrays[0].levels[0, 11]) - 3) * 1.25)
    assert host.chip.programmed == 12 * 24 + 7 * 9 + 1


def test_a_chip_without_power_forgets_all_but_its_cells():
    host = Host(preset("pcm")).load()
    host.measure()
    host.write(DIAG_ADJUST_AT=0, DIAG_ADJUST=9, DIAG_CODE=7)
    held = host.chip.arrays[0].effective().copy()
    host.chip.power_cycle()
    assert host.read("DIAG_CONTROL") == 0
    assert host.read("STATUS") == BY_NAME["STATUS"].pack(SEALED=1)
    assert not host.chip.arrays[0].adjustments.trimmed
    assert (host.chip.arrays[0].scale == 0).all()
    with pytest.raises(DesignError, match="^the chip must be enabled to run sequences$"):
        host.chip.run(np.zeros((1, 1, 5), int))
    host.load(weights=False)
    assert np.array_equal(host.chip.arrays[0].effective(), held)
    assert host.chip.network().layers[0] == host.network.layers[0]
    assert host.chip.run(np.zeros((1, 1, 5), int))[0].shape == (1, 1)


def test_cells_grow_old_until_they_are_written():
    host = Host(preset("pcm")).load()
    array = host.chip.arrays[0]
    young = array.effective().copy()
    host.chip.pass_time(1e7)
    aged = array.effective().copy()
    host.measure()
    host.write(ROW=2, COLUMN=3, LEVEL=int(array.levels[2, 3]) & 0xF)
    assert (array.effective() != aged).sum() == 1
    assert array.ages[2, 3] == 60.0
    assert host.chip.arrays[1].ages.min() == 60.0 + 1e7
    assert np.abs(aged).mean() < 0.8 * np.abs(young).mean()


def test_refusals_are_bus_errors():
    host = Host()
    for act, sentence in (
        (lambda: host.write(CONTROL=1), "the chip refuses the write at 0x14"),
        (lambda: host.read("DIAG_RESULT"), "the chip refuses the read at 0x120"),
        (lambda: host.write(DIAG_CONTROL=1), "the chip refuses the write at 0x10C"),
        (lambda: host.chip.read(0x7C), "the chip refuses the read at 0x7C"),
        (lambda: Host(design=Design("chip", (replace(LSTM, diagnostics=False, spares=0),))).read("DIAG_ID"),
         "the chip refuses the read at 0x100"),
    ):  # fmt: skip
        with pytest.raises(BusError, match=f"^{sentence}$"):
            act()
    assert host.chip.accesses == 4
    host.load().measure()
    with pytest.raises(BusError):
        host.write(CONTROL=1)  # while ACTIVE
    assert host.chip.arrays[0].config == ArrayConfig()
