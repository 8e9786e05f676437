"""What reading a chip costs: counted against the simulated chip's own counts, and the figures of the page."""

from pathlib import Path

import pytest

from ohmgate.firmware.chip.cells import read_levels, reading
from ohmgate.firmware.chip.costs import Cost, cost, reading_cost
from ohmgate.firmware.transactions import Burst, Read, Write, run
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.firmware.chip.chips import HEAD, LSTM, stopped

PAGE = Path(__file__).parents[3] / "docs/diagnostics.md"
LARGE = LstmLayer(inputs=31, hidden=32, adcs=32, diagnostics=True)  #: 64 x 128, with its bias row


@pytest.mark.parametrize("layer", [LSTM, HEAD, LARGE])
def test_accesses_and_conversions_are_those_of_a_chip(layer):
    chip, [part] = stopped(Design("x", (layer,)))
    accesses, conversions = chip.accesses, chip.conversions
    run(read_levels(part, reading(part)), chip)
    found = reading_cost(layer)
    assert found.reads + found.writes == chip.accesses - accesses
    assert found.conversions == chip.conversions - conversions


def test_bytes_and_times_are_those_of_the_links_frames():
    def steps():
        for row in range(61):
            yield Write(BY_NAME["DIAG_CODE"], row)
        assert (yield Read(BY_NAME["STATUS"])) == 0
        assert (yield Burst(BY_NAME["DIAG_RESULT"], 61)) == [0] * 61

    found = cost(steps(), 5)
    up = (14 + 240) + (14 + 4) + 15 + 2 * 15
    down = 2 * 14 + 14 + 4 + 2 * 14 + 4 * 61
    assert found == Cost(conversions=5, reads=62, writes=61, up=up, down=down)
    assert found.bus_seconds(1e6, 10) == pytest.approx(1e-6 * (2 * 123 + 50))
    assert found.line_seconds(1e5) == pytest.approx(1e-4 * max(up, down))


def test_the_pages_figures_are_these():
    found = reading_cost(LARGE)
    page = PAGE.read_text(encoding="utf-8")
    for text in (
        f"{found.conversions:,} conversions",
        f"{found.reads:,} words are read and {found.writes:,} written",
        f"{1e3 * found.bus_seconds(50e6, 16):.2f} ms",
        f"{found.line_seconds(1e6):.2f} s",
    ):
        assert text in page
