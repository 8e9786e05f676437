"""The LiteX module: the chip's own test bench passes through it, and a system on chip with it is built."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ohmgate.hdl.chip import chip_ports
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.testbench import bench_files
from tests.designs import random_inputs, random_network

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
pytest.importorskip("litex", reason="needs litex, of the extra dev")
DESIGN = Design("two_layers", (
    LstmLayer(inputs=3, hidden=2, adcs=4),
    DenseLayer(inputs=2, outputs=2, adcs=1, output="argmax"),
))  # fmt: skip
LENGTHS = (3, 1, 4, 2, 2)
CLOCK = {"sys_clk": "clk", "sys_rst": "rst"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("litex")
    rng = np.random.default_rng(4)
    codes, _ = random_inputs(DESIGN, rng, len(LENGTHS), max(LENGTHS))
    bench = bench_files(random_network(DESIGN, rng), codes, np.array(LENGTHS))
    write_together(folder, handoff_files(DESIGN, bench=bench))
    return folder


def module_of(folder: Path) -> ModuleType:
    """What a user imports."""
    spec = importlib.util.spec_from_file_location("two_layers_litex", folder / "two_layers_litex.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verilog_of(folder: Path) -> str:
    """Verilog of the LiteX module, whose ports are those of the chip, but for clock and reset."""
    from litex.gen.fhdl.verilog import convert
    from migen import ClockDomain, Module, Signal

    top = Module()
    top.clock_domains.cd_sys = system = ClockDomain("sys")
    top.submodules.chip = chip = module_of(folder).TwoLayersChip()
    ports = {p.name: Signal(p.width, name=p.name) for p in chip_ports(DESIGN, False) if p.name not in CLOCK.values()}
    x, y = len(chip.sink.data), len(chip.source.data)
    top.comb += [
        chip.sink.data.eq(ports["x__payload"][:x]),
        chip.sink.last.eq(ports["x__payload"][x + 1]),  # the mark of the first step is not given
        chip.sink.valid.eq(ports["x__valid"]),
        ports["x__ready"].eq(chip.sink.ready),
        ports["y__payload"][:y].eq(chip.source.data),
        ports["y__payload"][y].eq(chip.source.first),
        ports["y__payload"][y + 1].eq(chip.source.last),
        ports["y__valid"].eq(chip.source.valid),
        chip.source.ready.eq(ports["y__ready"]),
        # as in a system, whose addresses are longer
        chip.bus.adr.eq(ports["bus__adr"] | 0x9000_0000 >> 2),
        *(getattr(chip.bus, name).eq(ports[f"bus__{name}"]) for name in ("dat_w", "sel", "cyc", "stb", "we")),
        *(ports[f"bus__{name}"].eq(getattr(chip.bus, name)) for name in ("dat_r", "ack", "err")),
    ]
    return convert(top, ios={system.clk, system.rst, *ports.values()}, name="through_litex").main_source


@pytest.mark.skipif(shutil.which("vvp") is None, reason="needs the Debian package iverilog")
def test_the_bench_of_the_chip_passes_through_the_module(folder):
    bench = (folder / "two_layers_tb.v").read_text()
    for litex, own in CLOCK.items():
        bench = bench.replace(f".{own}({own})", f".{litex}({own})")
    assert bench.count("    two_layers dut (") == 1
    assert bench.count("FIRST = 3;") == 1
    bench = bench.replace("FIRST = 3;", "FIRST = 2;")  # the sequence that a reset abandons has no end
    (folder / "bench.v").write_text(bench.replace("    two_layers dut (", "    through_litex dut ("))
    (folder / "through_litex.v").write_text(verilog_of(folder))
    command = "iverilog -g2005 -o tb -s two_layers_tb bench.v through_litex.v -f two_layers.f && vvp -n tb"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"PASS: 12 results of 12 time steps, in \d+ clock cycles", done.stdout.strip())


@pytest.mark.parametrize("arrays", ["behavioural", "blackbox", None])
def test_a_system_on_chip_is_built_with_the_files_of_the_chip(folder, tmp_path, arrays):
    from litex.build.generic_platform import Pins
    from litex.build.lattice import LatticePlatform
    from litex.soc.integration.builder import Builder
    from litex.soc.integration.soc import SoCRegion
    from litex.soc.integration.soc_core import SoCMini
    from migen import ClockDomain, Module

    pins = [("sys_clk", 0, Pins("A1")), ("sys_rst", 0, Pins("A2"))]
    platform = LatticePlatform("LFE5U-25F-6BG381C", pins, toolchain="trellis")
    soc = SoCMini(platform, clk_freq=int(50e6), ident="")
    soc.submodules.crg = crg = Module()
    crg.clock_domains.cd_sys = ClockDomain("sys")
    crg.comb += [crg.cd_sys.clk.eq(platform.request("sys_clk")), crg.cd_sys.rst.eq(platform.request("sys_rst"))]
    soc.lstm = module_of(folder).TwoLayersChip(platform, arrays)
    soc.bus.add_slave("lstm", soc.lstm.bus, SoCRegion(origin=0x9000_0000, size=0x1000, cached=False))
    Builder(soc, output_dir=str(tmp_path), compile_software=False, compile_gateware=False).build(run=False)
    macros = {} if arrays is None else {str(path) for path in (folder / arrays).iterdir()}
    sources = {str(source[0]) for source in platform.sources}
    assert sources >= {str(folder / "two_layers.v"), *macros}
    assert len([source for source in sources if str(folder) in source]) == 1 + len(macros)
    [verilog] = [path for path in tmp_path.rglob("*.v") if "two_layers" in path.read_text()]
    assert len(re.findall(r"^two_layers two_layers", verilog.read_text(), re.MULTILINE)) == 1
