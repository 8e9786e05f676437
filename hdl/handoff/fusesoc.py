"""FuseSoC: the chip as a core that others depend on, and a target that lints it."""

from ...model.design import Design
from ..macro_views import unique_layers, view_file


def fusesoc(design: Design) -> str:
    """``NAME.core`` of FuseSoC's second format, with its flow API."""
    name = design.name
    behavioural, boxes = (
        "".join(f"      - {view_file(view, layer)}\n" for layer in unique_layers(design))
        for view in ("behavioural", "blackbox")
    )
    return f"""CAPI=2:
# Lint: fusesoc --cores-root . run --target lint {name}
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
"""
