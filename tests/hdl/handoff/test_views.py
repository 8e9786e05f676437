"""Views of macros: what other readers find in them is what the array port says, and a damaged view is refused."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from ohmgate.hdl.handoff.compare import KINDS, ViewsDiffer, compare_views, physical_file
from ohmgate.hdl.handoff.folder import handoff_files, macro_files
from ohmgate.hdl.handoff.outline import outline_of
from ohmgate.hdl.handoff.technology import PLACEHOLDER
from ohmgate.hdl.macro_views import unique_layers, view_file
from ohmgate.model.design import Design, presets
from ohmgate.model.files import write_together
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
pytest.importorskip("liberty", reason="handoff needs liberty-parser, of the extra of its name")

TINY = Design(
    "tiny",
    (LstmLayer(inputs=2, hidden=2, adcs=4), DenseLayer(inputs=2, outputs=3, adcs=3, dac_bits=4, conversion_cycles=5)),
)
#: A technology of four layers, in the units of Magic's own scmos.
TECHNOLOGY = """
VERSION 5.8 ;
UNITS
  DATABASE MICRONS 2000 ;
END UNITS
MANUFACTURINGGRID 0.005 ;
LAYER poly
  TYPE MASTERSLICE ;
END poly
LAYER metal1
  TYPE ROUTING ; # the cells' own
  DIRECTION HORIZONTAL ;
  PITCH 0.2 0.4 ;
  WIDTH 0.1 ;
END metal1
LAYER via1
  TYPE CUT ;
END via1
LAYER metal2
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  PITCH 0.38 0.2 ;
  OFFSET 0.095 0.07 ;
  MINWIDTH 0.05 ;
  WIDTH 0.07 ;
END metal2
LAYER metal3
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 0.4 ;
  WIDTH 0.1 ;
END metal3
LAYER metal4
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  PITCH 0.8 ;
  WIDTH 0.3 ;
END metal4
END LIBRARY
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The hand-off of a tiny design, and the technology's file beside it."""
    folder = tmp_path_factory.mktemp("handoff")
    (folder / "metal.lef").write_text(TECHNOLOGY)
    write_together(folder / "tiny", handoff_files(TINY, folder / "metal.lef", 0.2))
    return folder / "tiny"


def views_of(design: Design, pitch: float | None = None) -> dict[str, str | bytes]:
    return macro_files(design, [outline_of(layer, PLACEHOLDER, pitch) for layer in unique_layers(design)])


def array_port(layer) -> dict[str, tuple[str, int]]:
    """Direction and width of every signal, by the table of docs/rtl.md, not by the signature."""
    m, columns = layer.columns // layer.adcs, layer.columns
    inputs = {
        "clk": 1,
        "rst": 1,
        "row_codes": layer.inputs * layer.input_bits + layer.hidden * layer.dac_bits,
        "select": max((m - 1).bit_length(), 1),
        "convert": 1,
        "mult": 8 * layer.gates,
        "shift": 6 * layer.gates,
        "program_row": max((layer.rows - 1).bit_length(), 1),
        "program_column": max((columns - 1).bit_length(), 1),
        "program_level": layer.weight_bits,
        "program_strobe": 1,
        "seal": 1,
        "unseal": 1,
        "cancel": 1,
    }
    inputs |= {"hidden_drive": 1} if layer.hidden else {}
    outputs = {"codes": layer.adcs * layer.adc_bits, "program_done": 1, "sealed": 1}
    outputs |= {} if layer.conversion_cycles else {"done": 1}
    return {n: ("input", w) for n, w in inputs.items()} | {n: ("output", w) for n, w in outputs.items()}


def bits(ports: dict[str, tuple[str, int]]) -> dict[str, str]:
    return {f"{n}[{k}]" if w > 1 else n: d for n, (d, w) in ports.items() for k in range(w)}


def run(*command, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", presets())
def test_five_views_of_every_macro_of_the_presets_agree(tmp_path, name):
    design = Design.load(name)
    files = views_of(design)
    write_together(tmp_path, files)
    assert compare_views(design, tmp_path) == 5 * len(unique_layers(design))
    for layer in unique_layers(design):
        text = (tmp_path / physical_file("lef", layer)).read_text()
        pins = re.findall(r"  PIN (\S+)\n    DIRECTION (\w+) ;\n    USE (\w+) ;", text)
        found = {pin: direction.lower() for pin, direction, use in pins if use in ("SIGNAL", "CLOCK")}
        assert found == bits(array_port(layer))
        assert {(pin, direction, use) for pin, direction, use in pins if pin not in found} == {
            ("VDD", "INOUT", "POWER"),
            ("VSS", "INOUT", "GROUND"),
        }
    assert files == views_of(design)


@pytest.mark.skipif(not shutil.which("sta"), reason="needs OpenSTA (Debian: opensta)")
@pytest.mark.parametrize("name", presets())
def test_opensta_links_the_liberty_views_with_every_pin(tmp_path, name):
    design = Design.load(name)
    files = views_of(design)
    write_together(tmp_path, {file: files[file] for file in files if file.startswith("liberty/")})
    for layer in unique_layers(design):
        ports = array_port(layer)
        declared = "".join(f"  {d} [{w - 1}:0] {n};\n" if w > 1 else f"  {d} {n};\n" for n, (d, w) in ports.items())
        connected = ", ".join(f".{n}({n})" for n in ports)
        (tmp_path / "top.v").write_text(
            f"module top ({', '.join(ports)});\n{declared}  {layer.macro_name} u ({connected});\nendmodule\n"
        )
        (tmp_path / "read.tcl").write_text(
            f"read_liberty {physical_file('liberty', layer)}\nread_verilog top.v\nlink_design top\n"
            'foreach pin [get_pins u/*] { puts "PIN [get_full_name $pin] [get_property $pin direction]" }\n'
        )
        said = run("sta", "-no_splash", "-exit", "read.tcl", folder=tmp_path)
        found = dict(re.findall(r"^PIN u/(\S+) (\w+)$", said, flags=re.MULTILINE))
        assert found == bits(ports)
        assert "Warning" not in said
        assert "Error" not in said


@pytest.mark.skipif(not shutil.which("magic"), reason="needs Magic (Debian: magic)")
def test_magic_reads_the_lef_with_every_signal(tiny):
    """Magic's own technology has no layer for the supply's stripes."""
    for layer in TINY.layers:
        (tiny / "read.tcl").write_text(
            f"lef read {physical_file('lef', layer)}\nload {layer.macro_name}\nsave {layer.macro_name}\nquit -noprompt\n"
        )
        run("magic", "-dnull", "-noconsole", "-T", "scmos", "read.tcl", folder=tiny)
        text = (tiny / f"{layer.macro_name}.mag").read_text()
        found = re.findall(r"^[rf]label metal2 .* (\S+)\nport \d+ \w+ (\S.*)$", text, flags=re.MULTILINE)
        kinds = {"input": "signal input", "output": "signal output"}
        expected = {pin: kinds[direction] for pin, direction in bits(array_port(layer)).items()}
        assert dict(found) == expected | {"clk": "clock input"}


def rectangles(text: str) -> list[tuple[str, str, list[int]]]:
    """(pin, layer, corners in nm) of every shape of a LEF's pins."""
    found = []
    for pin, body in re.findall(r"^  PIN (\S+)$(.*?)^  END \1$", text, flags=re.MULTILINE | re.DOTALL):
        [layer] = re.findall(r"LAYER (\S+) ;", body)
        found += [
            (pin, layer, [round(1000 * float(x)) for x in corners.split()])
            for corners in re.findall(r"RECT (.*) ;", body)
        ]
    return found


def test_pins_are_on_the_tracks_and_the_grid_of_the_technology(tiny):
    for layer in TINY.layers:
        text = (tiny / physical_file("lef", layer)).read_text()
        width, height = (round(1000 * float(x)) for x in re.search(r"SIZE (\S+) BY (\S+) ;", text).groups())
        shapes = rectangles(text)
        centres = [(left + right) / 2 for pin, _, (left, _, right, _) in shapes if pin not in ("VDD", "VSS")]
        assert all((centre - 95) % 380 == 0 for centre in centres)
        assert len(set(centres)) == len(centres) == len(bits(array_port(layer)))
        assert all(edge % 5 == 0 for _, _, corners in shapes for edge in corners)
        assert all(
            0 <= left < right <= width and 0 <= low < high <= height for _, _, (left, low, right, high) in shapes
        )
        assert {metal for pin, metal, _ in shapes if pin in ("VDD", "VSS")} == {"metal4"}
        assert {metal for pin, metal, _ in shapes if pin not in ("VDD", "VSS")} == {"metal2"}
        stripes = sorted((c[0], c[2]) for pin, _, c in shapes if pin in ("VDD", "VSS"))
        assert all(right < left for (_, right), (left, _) in pairwise(stripes))


def test_a_macro_is_as_large_as_its_cells_where_its_pins_leave_room():
    files = views_of(Design.load("ptb"), 2.0)
    [layer] = Design.load("ptb").layers
    width, height = re.search(r"SIZE (\S+) BY (\S+) ;", files[physical_file("lef", layer)]).groups()
    assert 0 <= float(width) - 2 * 1200 * 2.0 < 0.46  # two cells a column; a whole number of met2's tracks
    assert 0 <= float(height) - 601 * 2.0 < 0.34


def test_what_is_a_placeholder_is_marked_in_every_file(tiny):
    guessed = views_of(TINY)
    for layer in TINY.layers:
        for kind in KINDS:
            text = guessed[physical_file(kind, layer)]
            text = text if isinstance(text, str) else text.decode("latin-1")
            assert "no technology LEF was given" in text
            assert "DACs, ADCs and drivers have no area in it" in text
            known = (tiny / physical_file(kind, layer)).read_text(encoding="latin-1")
            assert "no technology LEF was given" not in known
            assert "The cells' pitch of 0.5 um is a guess" in text
            assert "is a guess, as none was given" not in known
            assert "PLACEHOLDER" in known


LSTM = TINY.layers[0]
LEF, LIBERTY, GDS = (physical_file(kind, LSTM) for kind in KINDS)
BOX, BEHAVIOURAL = view_file("blackbox", LSTM), view_file("behavioural", LSTM)
DAMAGE = {
    "a pin of another bus": (LEF, " codes[3]\n", " code[3]\n", "lacks the pin codes[3]"),
    "a pin that ends as another": (LEF, "PIN codes[3]", "PIN code[3]", "klayout cannot read"),
    "a pin without its end": (LEF, "END rst\n", "END reset\n", "klayout cannot read"),
    "an output that is an input": (LEF, "PIN done\n    DIRECTION OUTPUT", "PIN done\n    DIRECTION INPUT", "the pin done must be output, but is input"),
    "no supply": (LEF, " VSS\n", " GND\n", "lacks the pin VSS"),
    "another size": (LEF, "SIZE 8", "SIZE 9", "must be as large as"),
    "a narrower bus": (LIBERTY, "bit_width : 16;", "bit_width : 15;", "lacks the pin row_codes[15] (and 1 more)"),
    "a bus in the other direction": (LIBERTY, "bus (codes) {\n      bus_type : bus_16;\n      direction : output", "bus (codes) {\n      bus_type : bus_16;\n      direction : input", "the pin codes[0] must be output, but is input"),
    "another area": (LIBERTY, "area : ", "area : 9", "must have the area of"),
    "no ground in Liberty": (LIBERTY, "pg_pin (VSS)", "pg_pin (GND)", "lacks the pin VSS"),
    "a black box without supply": (BOX, "inout wire VDD,", "", "lacks the pin VDD"),
    "a black box with a pin too many": (BOX, "input wire clk,", "input wire clk, input wire test,", "has a pin test, which the macro does not have"),
    "a behavioural view with a narrower port": (BEHAVIOURAL, "[15:0] codes,", "[14:0] codes,", "lacks the pin codes[15]"),
    "a behavioural view of another macro": (BEHAVIOURAL, "module ohmgate_array_", "module ohmgate_arrays_", "must have the module"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_view_is_found(tiny, tmp_path, damage):
    file, old, new, said = DAMAGE[damage]
    shutil.copytree(tiny, tmp_path / "copy")
    assert compare_views(TINY, tmp_path / "copy") == 10
    text = (tmp_path / "copy" / file).read_text()
    assert old in text
    (tmp_path / "copy" / file).write_text(text.replace(old, new))
    with pytest.raises(DesignError, match=re.escape(said)) as found:
        compare_views(TINY, tmp_path / "copy")
    assert Path(file).name in str(found.value)


def test_a_gds_without_a_pin_or_of_another_macro_is_found(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "copy")
    place = tmp_path / "copy" / GDS
    content = place.read_bytes()
    place.write_bytes(content.replace(b"row_codes[7]", b"row_codes[8]"))
    with pytest.raises(ViewsDiffer, match=r"gds lacks the pin row_codes\[7\]"):
        compare_views(TINY, tmp_path / "copy")
    place.write_bytes(content.replace(b"ohmgate_array_", b"ohmgate_arrax_"))
    with pytest.raises(DesignError, match="must have the macro"):
        compare_views(TINY, tmp_path / "copy")
    place.write_bytes(content[:100])
    with pytest.raises(DesignError, match="klayout cannot read"):
        compare_views(TINY, tmp_path / "copy")


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("MANUFACTURINGGRID 0.005 ;", "", "must have a MANUFACTURINGGRID, and has none"),
        ("TYPE ROUTING", "TYPE OVERLAP", "must have layers of TYPE ROUTING, and has none"),
        (
            "DIRECTION VERTICAL",
            "DIRECTION HORIZONTAL",
            "must have two vertical routing layers above the lowest layer, not 0",
        ),
        ("DIRECTION VERTICAL ;", "", "layer metal2 must have a DIRECTION, HORIZONTAL or VERTICAL"),
        ("PITCH 0.38 0.2 ;", "", "layer metal2 must have a PITCH"),
        ("  WIDTH 0.07 ;", "", "layer metal2 must have a WIDTH"),
        ("0.38 0.2", "0.3805 0.2", "PITCH of metal2 must be a whole number of nm above 0, not 0.3805 um"),
    ],
)
def test_a_technology_that_lacks_something_is_refused(tmp_path, old, new, said):
    assert old in TECHNOLOGY
    (tmp_path / "metal.lef").write_text(TECHNOLOGY.replace(old, new))
    with pytest.raises(DesignError, match=re.escape(f"technology LEF '{tmp_path}/metal.lef'")) as found:
        handoff_files(TINY, tmp_path / "metal.lef")
    assert said in str(found.value)


def test_what_cannot_be_read_or_built_is_refused(tmp_path):
    with pytest.raises(DesignError, match=r"cannot read the technology LEF '.*none.lef': No such file or directory"):
        handoff_files(TINY, tmp_path / "none.lef")
    (tmp_path / "metal.lef").write_bytes(b"\xff\xfe")
    with pytest.raises(DesignError, match=r"cannot read the technology LEF '.*metal.lef': it is no text"):
        handoff_files(TINY, tmp_path / "metal.lef")
    for pitch in (0.0, 0.001, 101.0, float("nan")):
        with pytest.raises(DesignError, match=f"the cells' pitch must be from 0.01 to 100 um, not {pitch}"):
            handoff_files(TINY, None, pitch)
