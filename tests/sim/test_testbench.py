"""The test bench in plain Verilog: it passes a right chip with right answers, and fails each that is not."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ohmgate.hdl.chip import chip_ports
from ohmgate.hdl.flow.generate import generated
from ohmgate.hdl.flow.verilator import tool_path
from ohmgate.hdl.macro_views import unique_layers
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.formats import from_wire
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import logical_columns
from ohmgate.model.payloads import output_numbers
from ohmgate.model.reference import run
from ohmgate.sim.simulators import missing_tools
from ohmgate.sim.testbench import bench_files
from tests import commands
from tests.designs import random_design, random_inputs, random_network
from tests.firmware.fake_device import FakeDevice

LENGTHS = np.array([4, 1, 3])


def network_and_codes(design: Design):
    rng = np.random.default_rng(len(design.layers))
    network = random_network(design, rng)
    return network, random_inputs(design, rng, batch=3, steps=4)[0]


def written(design: Design, folder: Path) -> Path:
    """A folder with all that `generate --testbench` writes."""
    network, codes = network_and_codes(design)
    write_together(folder, {**generated(design), **bench_files(network, codes, LENGTHS)})
    return folder


def simulated(simulator: str, folder: Path, *options: str) -> str:
    """What the bench prints, compiled as its first lines say, but with a compiler that is in no hurry."""
    name = next(folder.glob("*_tb.v")).stem
    if problem := missing_tools(simulator):
        pytest.skip(problem)
    said = [line.removeprefix("//").strip() for line in (folder / f"{name}.v").read_text().splitlines()[2:6]]
    icarus, (build, more), start = said[0], said[1:3], said[3]
    verilator = f"{build.removesuffix(chr(92))} {more}".replace(
        'fcoroutines"', 'fcoroutines -O0" -MAKEFLAGS OPT_FAST=-O0'
    )
    commands = {"icarus": icarus.removeprefix("> "), "verilator": f"{verilator} && {start}".replace("> ", "")}
    with tool_path():
        done = subprocess.run(
            f"{commands[simulator]} {' '.join(options)}", shell=True, cwd=folder, capture_output=True, text=True
        )
    said = "\n".join(line for line in done.stdout.splitlines() if re.match("first|PASS|FAIL", line))
    assert (done.returncode == 0) == said.startswith("PASS"), done.stdout + done.stderr
    return said


def presets(design: Design) -> list[str]:
    return ["+preset", *(f"+{layer.macro_name}={layer.macro_name}.hex" for layer in design.layers)]


def unlike_macros(seed: int, **limits) -> Design:
    """A random design in which no two layers share a macro, so that each can have cells of its own."""
    rng = np.random.default_rng([11, seed])
    while True:
        design = random_design(rng, **limits)
        if len(unique_layers(design)) == len(design.layers):
            return design


DRIVEN = Design("driven", (
    LstmLayer(inputs=2, hidden=3, adcs=4, input_drive=6, bias_rows=2),
    LstmLayer(inputs=3, hidden=2, adcs=8, conversion_cycles=3, tables="constant", dac_bits=1, input_dac_bits=4),
))  # fmt: skip
TWINS = Design("twins", (DenseLayer(inputs=3, outputs=3, adcs=3), DenseLayer(inputs=3, outputs=3, adcs=3)))
SMALL = Design("small_chip", (DenseLayer(inputs=2, outputs=2, adcs=1, dac_bits=2, adc_bits=2, output="argmax"),))
CASES = [
    *(("icarus", unlike_macros(seed, max_outputs=4), seed % 2 == 1) for seed in range(4)),
    ("icarus", DRIVEN, True),
    ("icarus", TWINS, True),
]


def results(design: Design) -> int:
    """How many results the chip gives."""
    return 3 if getattr(design.layers[-1], "emit", "step") == "end" else 8


@pytest.mark.parametrize("simulator, design, programmed", CASES)
def test_a_right_chip_passes(simulator, design, programmed, tmp_path):
    said = simulated(simulator, written(design, tmp_path), *([] if programmed else presets(design)))
    assert re.fullmatch(rf"PASS: {results(design)} results of 8 time steps, in \d+ clock cycles", said), said


@pytest.mark.parametrize("design", [case[1] for case in CASES[:4]] + [DRIVEN, TWINS, SMALL])
def test_the_vectors_are_the_network_and_the_references_integers(design):
    network, codes = network_and_codes(design)
    files = bench_files(network, codes, LENGTHS)
    words = {name: [int(word, 16) for word in text.split()] for name, text in files.items() if name.endswith(".hex")}
    device = FakeDevice(design)
    for word in words[f"{design.name}_tb_load.hex"]:
        device.write(word >> 32, word & 0xFFFFFFFF)
    assert (device.unlocked, device.enabled) == (True, False)
    for index, (layer, data) in enumerate(zip(design.layers, network.layers)):
        assert device.layer_data(index) == data
        if design is TWINS:
            assert f"{layer.macro_name}.hex" not in files
            continue
        cells = from_wire(np.array(words[f"{layer.macro_name}.hex"]), layer.weight_bits).reshape(layer.rows, -1)
        for conversion, columns in enumerate(logical_columns(layer)):
            for adc, column in enumerate(columns):
                assert np.array_equal(cells[:, adc * layer.conversions + conversion], data.weights[:, column])
    first, last, result = design.layers[0], design.layers[-1], run(network, codes, LENGTHS)
    bits = first.input_bits
    width = bits * first.inputs
    sent = [(sequence, step) for sequence, length in enumerate(LENGTHS) for step in range(length)]
    for (sequence, step), word in zip(sent, words[f"{design.name}_tb_inputs.hex"], strict=True):
        values = [word >> k * bits & 2**bits - 1 for k in range(first.inputs)]
        assert from_wire(np.array(values), bits).tolist() == codes[sequence, step].tolist()
        assert word >> width == int(step == 0) + 2 * int(step == LENGTHS[sequence] - 1)
    ends = getattr(last, "emit", "step") == "end"
    expected = [(s, t) for s, t in sent if not ends or t == LENGTHS[s] - 1]
    numbers = words[f"{design.name}_tb_results.hex"]
    size = {port.name: port.width for port in chip_ports(design, trace=False)}["y__payload"]
    for (sequence, step), word in zip(expected, numbers, strict=True):
        assert (word >> size + 32, word >> size & 0xFFFFFFFF) == (sequence, step)
        values = output_numbers(last, word & 2**size - 1)
        out = result.out[sequence] if ends else result.out[sequence, step]
        assert values.tolist() == [*out.tolist(), step == 0, step == LENGTHS[sequence] - 1]


CODES = Design("codes_chip", (
    LstmLayer(inputs=2, hidden=2, adcs=4, tables="constant"),
    DenseLayer(inputs=2, outputs=2, adcs=2, output="codes"),
))  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return written(CODES, tmp_path_factory.mktemp("good"))


FIRST = r"first difference: sequence 0, time step \d: expected \w+, got \w+, in clock cycle \d+\nFAIL: \d of 8 results differ"
#: the file that is broken, its text, what takes its place, and what the bench says
FAULTS = {
    "cells stay at 0": ("behavioural/*k4*.v", "<= program_level;", "<= 0;", FIRST),
    "a result's bit": ("codes_chip.v", r"^  assign y__payload = \{(.*)\};", r"  assign y__payload = {\1} ^ 10'h1;", FIRST),
    "a mark": ("codes_chip.v", r"^  assign y__payload = \{(.*)\};", r"  assign y__payload = {\1} & 10'h1ff;", FIRST),
    "unknown": (
        "codes_chip.v", r"^  assign y__payload = .*;", "  assign y__payload = 10'bx;",
        r"FAIL: output y__payload is unknown \(X\) after the reset, in clock cycle \d+",
    ),
    "no done": ("behavioural/*k4*.v", r"assign done = .*;", "assign done = 0;", r"FAIL: nothing moves, in clock cycle \d+"),
    "busy for ever": (
        "codes_chip_tb.v", r"while \(bus__dat_r\[2\]\)", "while (1)", r"FAIL: nothing moves, in clock cycle \d+",
    ),
    "another fingerprint": (
        "codes_chip_tb_load.hex", r"^30\w{8}$", "3000000000",
        r"FAIL: the register bus refuses an access, in clock cycle \d+",
    ),
    "not loaded": (
        "codes_chip_tb.v", r"WRITES = \d+", "WRITES = 1",
        r"FAIL: the device does not take the image, in clock cycle \d+",
    ),
    "a result too many": (
        "codes_chip_tb.v", "RESULTS = 8", "RESULTS = 7",
        r"FAIL: a result more than there should be, in clock cycle \d+",
    ),
}  # fmt: skip


def broken(good: Path, folder: Path, name: str, old: str, new: str) -> Path:
    """The same files, but one has ``new`` where ``old`` is."""
    texts = {path.relative_to(good).as_posix(): path.read_text() for path in good.rglob("*.*") if path.is_file()}
    [path] = good.glob(name)
    text = texts[path.relative_to(good).as_posix()]
    assert re.search(old, text, re.MULTILINE)
    write_together(folder, texts | {path.relative_to(good).as_posix(): re.sub(old, new, text, flags=re.MULTILINE)})
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_chip_fails(fault, good, tmp_path):
    *change, sentence = FAULTS[fault]
    said = simulated("icarus", broken(good, tmp_path, *change))
    assert re.fullmatch(sentence, said), said


def test_the_first_difference_is_named(good, tmp_path):
    network, codes = network_and_codes(CODES)
    out = run(network, codes, LENGTHS).out
    hexed = sum(int(v) % 16 << 4 * k for k, v in enumerate(out[1, 0])) + (3 << 8)
    text = (good / "codes_chip_tb_results.hex").read_text().splitlines()
    assert text[4] == f"{1 << 42 | hexed:x}", "sequence 1 has one time step, the fifth of all"
    text[4] = f"{1 << 42 | hexed ^ 5:x}"
    shutil.copytree(good, tmp_path / "bench")
    (tmp_path / "bench" / "codes_chip_tb_results.hex").write_text("\n".join(text))
    said = simulated("icarus", tmp_path / "bench")
    first = f"first difference: sequence 1, time step 0: expected {hexed ^ 5:03x}, got {hexed:03x}, in clock cycle "
    assert said.startswith(first)
    assert said.endswith("FAIL: 1 of 8 results differ")


@pytest.mark.slow
def test_verilator_passes_a_right_chip_and_fails_one_with_a_wrong_cell(tmp_path):
    folder = written(SMALL, tmp_path)
    assert simulated("verilator", folder).startswith("PASS: 8 results of 8 time steps, in ")
    cells = folder / f"{SMALL.layers[0].macro_name}.hex"
    cells.write_text(re.sub(r"\w+", "8", cells.read_text()))
    assert re.search(r"^FAIL: \d of 8 results differ$", simulated("verilator", folder, *presets(SMALL)), re.MULTILINE)


def test_a_folder_of_the_command_has_its_bench(tmp_path):
    SMALL.save(tmp_path / "small.toml")
    ended = commands.run(["generate", "small.toml", "--out", "out", "--testbench"], tmp_path)
    assert ended.status == 0, ended.err
    said = simulated("icarus", tmp_path / "out")
    assert re.fullmatch(r"PASS: (\d+) results of \1 time steps, in \d+ clock cycles", said), said
