"""Somebody's own Verilog in place of the generated chip: a flattened netlist agrees, anything else is refused by a sentence."""

import re

import pytest

from ohmgate.hdl.chip import Chip
from ohmgate.hdl.flow.emit import emit
from ohmgate.hdl.flow.yosys import run_yosys
from ohmgate.hdl.macro_views import black_box, unique_layers
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.simulators import missing_tools
from ohmgate.sim.trials import job_of
from ohmgate.sim.user_verilog import read_verilog

SMALL = {"dac_bits": 1, "weight_bits": 2, "adc_bits": 1, "bias_rows": 0, "tables": "constant"}
LSTM = LstmLayer(
    inputs=2, hidden=2, adcs=4, activation_bits=2, cell_bits=4, cell_fraction=3, tanh_bits=2, tanh_fraction=1, **SMALL
)
MINE = Design("mine", (LSTM, LSTM, DenseLayer(inputs=2, outputs=2, adcs=2, output="codes", **SMALL)))
MACROS = [layer.macro_name for layer in MINE.layers]


@pytest.fixture(scope="module")
def chip():
    """The generated chip's Verilog, without trace ports."""
    return emit(Chip(MINE), MINE.name)


@pytest.fixture(scope="module")
def netlist(chip, tmp_path_factory):
    """Gates for it, all in one module."""
    folder = tmp_path_factory.mktemp("netlist")
    (folder / "mine.v").write_text(chip)
    (folder / "boxes.v").write_text("\n".join(black_box(layer) for layer in unique_layers(MINE)))
    run_yosys(
        ["read_verilog mine.v", "read_verilog -lib boxes.v", "synth -flatten -noabc -top mine", "setattr -unset init w:*",
         "write_verilog -noattr netlist.v"], folder,
    )  # fmt: skip
    return folder / "netlist.v"


@pytest.fixture
def refused(tmp_path):
    """The sentence about a text in place of the chip."""

    def call(*texts: str) -> str:
        files = [tmp_path / f"{index}.v" for index in range(len(texts))]
        for file, text in zip(files, texts):
            file.write_text(text)
        with pytest.raises(DesignError) as error:
            read_verilog(files, MINE)
        return str(error.value)

    return call


@pytest.mark.slow
def test_a_flattened_netlist_agrees_through_resets(netlist, tmp_path):
    if problem := missing_tools("icarus"):
        pytest.skip(problem)
    own = read_verilog([netlist], MINE)
    assert own.trace is False
    assert own.macros == [(f"array_{index}.macro",) for index in range(3)]
    built = build([MINE], tmp_path, "icarus", own=own)
    assert [path.suffix for path in tmp_path.glob("mine*")] == []
    [result] = simulate(built, [job_of(MINE, None, None, 3, 3)])
    assert result.record.facts["resets"] == 3
    assert result.comparison.agrees, str(result.comparison)
    assert result.comparison.stages[2, "output stream"][0] > 0


def test_the_generated_chip_is_read_with_and_without_its_trace_ports(chip, tmp_path):
    (tmp_path / "plain.v").write_text(chip)
    (tmp_path / "traced.v").write_text(emit(Chip(MINE, trace=True), MINE.name))
    paths = [(f"array_{index}", "macro") for index in range(3)]
    for name, trace in (("plain", False), ("traced", True)):
        own = read_verilog([tmp_path / f"{name}.v"], MINE)
        assert (own.trace, own.macros, own.files) == (trace, paths, (tmp_path / f"{name}.v",))


def test_parts_may_be_in_files_of_their_own_which_share_their_macros(chip, tmp_path):
    head, mark, rest = chip.partition("module mine(")
    (tmp_path / "1.v").write_text("`define NAME mine\n" + head)
    (tmp_path / "2.v").write_text("module `NAME (" + rest)
    assert len(read_verilog([tmp_path / "1.v", tmp_path / "2.v"], MINE).macros) == 3
    assert mark


def test_ports_that_differ_are_named(chip, refused):
    changed = chip.replace("[4:0] bus__adr;", "[5:0] bus__adr;", 2)
    changed = changed.replace("  output bus__err;", "  input bus__err;", 1)
    assert refused(changed) == (
        "module mine must have the ports of the generated chip, but has bus__adr as input of 6 bits, not input of 5 bits, "
        "has bus__err as input of 1 bit, not output of 1 bit"
    )
    renamed = re.sub(r"\brst\b", "reset", chip)
    assert refused(renamed) == (
        "module mine must have the ports of the generated chip, but lacks rst (input of 1 bit), also has reset"
    )


def test_what_cannot_be_read_is_named(chip, refused, tmp_path):
    assert (
        refused("module mine(\n")
        == f"the Verilog cannot be read: {tmp_path}/0.v:1:13: error: expected ansi port declaration"
    )
    assert refused("module other; endmodule\n") == "the Verilog must have a module mine, but has other"
    assert refused("interface mine; endinterface\n") == "the Verilog must have a module mine, but has none"
    assert refused("interface lines; endinterface\nmodule mine(lines b); endmodule\n") == (
        "module mine must have the ports of the generated chip, but b is none"
    )
    assert refused("") == "the Verilog must have a module mine, but has none"
    box = f"module {MACROS[0]}(input x); endmodule\n"
    assert refused(chip, box) == f"the Verilog must not have the macro {MACROS[0]}: the array model answers for it"
    with pytest.raises(FileNotFoundError) as error:
        read_verilog([tmp_path / "none.v"], MINE)
    assert error.value.filename == str(tmp_path / "none.v")


def test_macros_that_cannot_be_told_apart_are_named(chip, refused):
    assert refused(chip.replace(f"{MACROS[2]} macro", "another macro")) == (
        f"layer 2 must have one instance of {MACROS[2]}, but there are 0"
    )
    assert refused(
        chip.replace("array_1 (", "second ("),
    ) == (f"layer 1 must have one instance of {MACROS[1]} with array_1 in its path, but there are 0")


def test_a_macro_of_before_there_were_seals_is_named(chip, refused):
    older = re.sub(r"^ *\.(seal|unseal|sealed)\(.*\),?\n", "", chip, flags=re.MULTILINE)
    assert older.count("\n") == chip.count("\n") - 9
    assert refused(older) == (
        f"layer 0: the instance of {MACROS[0]} must name all ports of the generated macro, but lacks seal, unseal, sealed"
    )
