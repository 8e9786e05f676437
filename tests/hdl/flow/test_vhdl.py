"""The wrapper for VHDL hosts: names that VHDL allows, every port connected to its own, and GHDL takes the package."""

import re
import shutil
import subprocess

import numpy as np
import pyslang
import pytest

from ohmgate.hdl.chip import Chip, chip_ports
from ohmgate.hdl.flow.emit import emit
from ohmgate.hdl.flow.vhdl import host_files, vhdl_name
from ohmgate.hdl.macro_views import black_box, unique_layers
from ohmgate.model.design import Design, presets
from tests.designs import random_design

LEGAL = re.compile(r"[a-z](_?[a-z0-9])*", re.IGNORECASE)  #: IEEE 1076, basic identifiers
#: reserved words of VHDL that a name of a port or package could be taken for
RESERVED = {"array", "bus", "component", "in", "out", "package", "port", "register", "select", "signal", "wait"}


@pytest.mark.parametrize("name, legal", [
    ("x__valid", "x_valid"), ("clk", "clk"), ("trace_0__gates_valid", "trace_0_gates_valid"), ("my___chip__host", "my_chip_host"),
])  # fmt: skip
def test_names(name, legal):
    assert vhdl_name(name) == legal


@pytest.mark.parametrize("design", [
    *(Design.load(name) for name in presets()),
    *(random_design(np.random.default_rng([17, seed]), name=f"any__{seed}_") for seed in range(6)),
], ids=lambda design: design.name)  # fmt: skip
@pytest.mark.parametrize("trace", [False, True])
def test_names_are_legal_and_stay_apart(design, trace):
    files = host_files(design, trace)
    names = [vhdl_name(port.name) for port in chip_ports(design, trace)]
    assert len({name.lower() for name in names}) == len(names)
    host, *_ = (file.removesuffix(".v") for file in files)
    for name in [*names, host, f"{host}_declaration"]:
        assert LEGAL.fullmatch(name), name
        assert name.lower() not in RESERVED
    assert list(files) == [f"{host}.v", f"{host}.vhd"]


def mine() -> Design:
    return random_design(np.random.default_rng(3), name="my__chip")


def test_the_wrapper_connects_every_port_to_its_own():
    design = mine()
    text = host_files(design, trace=True)["my_chip_host.v"]
    connected = re.findall(r"\.(\w+)\((\w+)\)", text)
    assert connected == [(port.name, port.name.replace("__", "_")) for port in chip_ports(design, trace=True)]
    boxes = "\n".join(black_box(layer) for layer in unique_layers(design))
    compilation = pyslang.ast.Compilation()
    for source in (text, emit(Chip(design, trace=True), design.name), boxes):
        compilation.addSyntaxTree(pyslang.syntax.SyntaxTree.fromText(source))
    [top] = compilation.getRoot().topInstances
    outer = {port.name: (str(port.direction), port.type.bitWidth) for port in top.body.portList}
    inner = top.body.find("chip").body.portList
    assert outer == {vhdl_name(port.name): (str(port.direction), port.type.bitWidth) for port in inner}
    codes = [
        str(found.code) for found in compilation.getAllDiagnostics() if found.isError() or "Port" in str(found.code)
    ]
    assert codes == []


def test_ghdl_takes_the_package_and_an_architecture_that_has_the_chip(tmp_path):
    if not shutil.which("ghdl"):
        pytest.skip("ghdl is not installed")
    design = mine()
    package = host_files(design, trace=True)["my_chip_host.vhd"]
    (tmp_path / "package.vhd").write_text(package)
    ports = chip_ports(design, trace=True)
    kinds = [f"std_logic_vector({p.width - 1} downto 0)" if p.width > 1 else "std_logic" for p in ports]
    signals = "".join(f"  signal s{k} : {kind};\n" for k, kind in enumerate(kinds))
    mapped = ", ".join(f"{p.name.replace('__', '_')} => s{k}" for k, p in enumerate(ports))
    (tmp_path / "top.vhd").write_text(
        "library ieee;\nuse ieee.std_logic_1164.all;\nuse work.my_chip_host_declaration.all;\nentity top is end entity;\n"
        f"architecture host of top is\n{signals}begin\n  chip: my_chip_host port map ({mapped});\nend architecture;\n"
    )
    for file in ("package.vhd", "top.vhd"):
        done = subprocess.run(["ghdl", "-a", "--std=93", file], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_two_chips_with_one_macro_are_read_together(tmp_path):
    """slang takes every file for a unit of its own: a macro that two files define is an error there."""
    layers = mine().layers
    for name in ("one_chip", "other_chip"):
        (tmp_path / f"{name}.v").write_text(emit(Chip(Design(name, layers)), name))
    (tmp_path / "macros").mkdir()
    for layer in unique_layers(mine()):
        (tmp_path / "macros" / f"{layer.macro_name}.v").write_text(black_box(layer))
    driver = pyslang.driver.Driver()
    driver.addStandardArgs()
    assert driver.parseCommandLine(
        f"slang {tmp_path}/one_chip.v {tmp_path}/other_chip.v -y {tmp_path}/macros",
        pyslang.driver.CommandLineOptions(),
    )
    assert driver.processOptions()
    assert driver.parseAllSources()
    compilation = driver.createCompilation()
    assert [found for found in compilation.getAllDiagnostics() if found.isError()] == []
    assert {top.name for top in compilation.getRoot().topInstances} == {"one_chip", "other_chip"}
