"""FuseSoC: the chip as a core that others depend on, with targets that lint, simulate and synthesise it."""

from collections.abc import Iterable

from ...model.design import Design
from ..flow import mapping
from ..macro_views import unique_layers, view_file


def fusesoc(design: Design, bench: Iterable[str] = ()) -> str:
    """``NAME.core`` of FuseSoC's second format, with its flow API; ``bench`` are the files of a test bench."""
    name = design.name
    behavioural, boxes = (
        "".join(f"      - {view_file(view, layer)}\n" for layer in unique_layers(design))
        for view in ("behavioural", "blackbox")
    )
    filesets, targets = _bench(name, sorted(bench)) if bench else ("", "")
    script = synth_file(design)
    return f"""CAPI=2:
# Lint, simulation, synthesis for an FPGA: fusesoc --cores-root . run --target lint {name}
# In another core: depend on ::{name}:1.0, with the flag behavioural for models of the arrays or blackbox for ports.
name: ::{name}:1.0
description: {name}, an LSTM accelerator of fingerprint {design.fingerprint}

filesets:
  chip:
    files: [{name}.v]
    file_type: verilogSource
  behavioural: # noiseless models of the arrays
    files:
{behavioural}    file_type: verilogSource
  blackbox: # the arrays' ports alone
    files:
{boxes}    file_type: verilogSource
  waivers:
    files: [{name}.vlt]
    file_type: vlt
  script: # Yosys's
    files:
      - {script}: {{file_type: user, copyto: {script}}}
{filesets}
targets:
  default:
    filesets: [chip, "behavioural? (behavioural)", "blackbox? (blackbox)"]
    toplevel: {name}
  lint:
    toplevel: {name}
    filesets: [waivers, chip, blackbox]
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
{targets}  synth: # for an ECP5; the arrays stay black boxes
    toplevel: {name}
    filesets: [chip, blackbox, script]
    flow: generic
    flow_options:
      tool: yosys
      arch: ecp5
      output_format: json
      yosys_template: {script}
"""


def synth_file(design: Design) -> str:
    """The script of the target ``synth``."""
    return f"{design.name}_synth.tcl"


def synth_script(design: Design) -> str:
    """Tcl for Yosys, in place of edalize's own: that uses ``abc9``, which some versions of Yosys fail in."""
    commands = (*mapping.gates("ecp5", design.name), *mapping.luts("ecp5", design.name))
    steps = "".join(f"yosys {{{command}}}\n" for command in commands)
    return f"""# Run by Yosys in the folder of FuseSoC's target synth.
yosys -import
source edalize_yosys_procs.tcl
yosys -import
read_files
{steps}yosys {{write_json {design.name}_1.0.json}}
"""


def _bench(name: str, files: list[str]) -> tuple[str, str]:
    """The file set of a test bench, and the target that runs it."""
    vectors = "".join(
        f"      - {file}: {{file_type: user, copyto: {file}}}\n" for file in files if file.endswith("hex")
    )
    return (
        f"""  bench: # self-checking
    files:
      - {name}_tb.v: {{file_type: verilogSource}}
{vectors}""",
        f"""  sim: # a difference from the integer reference ends it with an error
    toplevel: {name}_tb
    filesets: [chip, behavioural, bench]
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2005]
""",
    )
