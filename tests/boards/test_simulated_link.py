"""Whole boards in Verilator behind their serial lines, and the host that loads and runs them."""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmgate.firmware.image import write
from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_stream import fill, replay, replay_of, run_over, steps_of
from ohmgate.firmware.transactions import BusError, LoadError
from ohmgate.model.design import Design
from ohmgate.model.registers import BY_NAME
from tests.boards.desk import CODES, CONFIG, DESIGN, LENGTHS, NEW, OLD, expected, linked, runs
from tests.designs import random_network

ROOT = Path(__file__).parents[2]
CONTROL, ENABLE = BY_NAME["CONTROL"].address, BY_NAME["CONTROL"].pack(ENABLE=1)
CUT = "the device's cells were not loaded to the end; load it with its weights"


def test_mixtures_of_the_two_networks_would_be_seen():
    """Cells of one with gains and tables of the other, or layers of each."""
    mixtures = [OLD, NEW, replace(OLD, layers=(OLD.layers[0], NEW.layers[1]))]
    for cells, rest in ((OLD, NEW), (NEW, OLD)):
        layers = tuple(replace(b, weights=a.weights) for a, b in zip(cells.layers, rest.layers))
        mixtures.append(replace(OLD, layers=layers))
    found = [expected(network).tobytes() for network in mixtures]
    assert len(set(found)) == len(found)


def test_a_loaded_board_gives_the_reference(board):
    with linked(board) as link:
        assert (link.board, link.info.clock_hz) == (CONFIG.name, CONFIG.clock_hz)
        for network in (OLD, NEW):
            load_over(link, network)
            link.verify()
            np.testing.assert_array_equal(run_over(link, DESIGN, CODES, LENGTHS), expected(network))


def test_a_line_with_faults_gives_the_reference(board):
    with linked(board) as link:
        for direction in ("in", "out"):
            board.faults(direction, drop=0.01, flip=0.01, repeat=0.01)
        load_over(link, OLD)
        link.verify()
        np.testing.assert_array_equal(run_over(link, DESIGN, CODES, LENGTHS), expected(OLD))


@pytest.mark.parametrize("direction, drop", [("in", {"drop": 1.0}), ("out", {"flip": 1.0})])
def test_faults_in_one_direction(board, direction, drop):
    """Nothing arrives, or nothing that comes back is whole: the host of one hears nothing, that of the other noise."""
    board.faults(direction, **drop)
    with pytest.raises(LinkError) as error, linked(board):
        pass
    noise = f"what answers on {board.port!r} at {CONFIG.baud} baud is no board of Ohmgate's"
    assert str(error.value) == {"in": f"no board answers on {board.port!r}", "out": noise}[direction]


def test_a_replay_goes_on_while_the_line_is_quiet(board):
    sequences = 2
    codes, lengths = CODES[:sequences], LENGTHS[:sequences]
    steps = b"".join(steps_of(DESIGN, codes, lengths))
    with linked(board) as link:
        load_over(link, OLD)
        fill(link, steps)
        found = replay(link, len(steps), 1000)
    out = expected(OLD)[:sequences]
    assert found[:2] == replay_of(DESIGN, out, lengths, 1000)
    assert found.cycles >= 1000 * int(lengths.sum())


def test_a_reset_takes_gains_and_lock_and_leaves_cells(board):
    with linked(board) as link:
        load_over(link, OLD)
    board.reset()
    with linked(board) as link:
        with pytest.raises(BusError):
            link.write(CONTROL, ENABLE)
        load_over(link, OLD, weights=False)
        assert runs(link, OLD)


def test_a_power_cut_takes_everything(board):
    with linked(board) as link:
        load_over(link, OLD)
    board.power()
    with linked(board) as link:
        with pytest.raises(BusError):
            link.write(CONTROL, ENABLE)
        with pytest.raises(LoadError) as error:
            load_over(link, OLD, weights=False)
        assert str(error.value) == CUT
        load_over(link, OLD)
        assert runs(link, OLD)


def test_a_board_that_was_unplugged_has_its_network_still(board):
    with linked(board) as link:
        load_over(link, OLD)
        port = board.port
        board.unplug()
        with pytest.raises(LinkError) as error:
            link.verify()
        assert str(error.value) == f"the board on {port!r} was unplugged"
    board.plug()
    with linked(board) as link:
        assert runs(link, OLD)


def test_the_clock_stands_still_behind_a_conversation(board):
    with linked(board) as link:
        load_over(link, OLD)
    time.sleep(0.5)
    before = board.cycles()
    time.sleep(0.2)
    assert board.cycles() == before


@pytest.mark.full
@pytest.mark.slow
def test_the_benchmark_of_the_vowels_board(tmp_path):
    """With random weights, which use more codes than trained ones; two sequences."""
    network = random_network(Design.load("vowels"), np.random.default_rng(3), labels=False)
    write(tmp_path / "vowels.image", network)
    command = [sys.executable, str(ROOT / "benchmarks" / "board_run.py"), "vowels.image", "--sequences", "2"]
    subprocess.run([*command, "--json", "found.json"], cwd=tmp_path, check=True)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["image"] == hashlib.sha256((tmp_path / "vowels.image").read_bytes()).hexdigest()
    results = {name: (one["results"], one["differ"]) for name, one in found["results"].items()}
    expected = {"labels": (2, 0), "hidden codes": (32 * found["time steps"], 0)}
    assert results == expected | {f"{name} with noise": one for name, one in expected.items()}
    changed = {name: one["changed by noise"] for name, one in found["results"].items()}
    assert changed["labels"] == changed["hidden codes"] == 0
    assert changed["hidden codes with noise"] > 0
