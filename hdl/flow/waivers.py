"""Lint waivers for Verilator, a reason beside each: what is harmless in generated Verilog is named, all else counts.

``LATCH``, ``MULTIDRIVEN`` and ``UNDRIVEN`` are never waived, except ``UNDRIVEN`` in the black boxes, whose outputs
the hardened macro drives.
"""

from ...model.design import Design
from ...model.layers import Layer
from ..macro_views import GROUND, POWER, unique_layers, view_file

EMITTED = {
    "CASEINCOMPLETE": "Values that a case does not list keep the default assigned above it; a latch would be LATCH.",
    "CASEOVERLAP": "The first match wins, which is what is meant: casez is emitted for Amaranth's Switch.",
    "CMPCONST": "A field that fills its range is compared with the range's end, in designs of these sizes.",
    "DECLFILENAME": "All modules of a chip share a file.",
    "PROCASSINIT": "Registers have their reset value as initial value too; FPGAs start with it.",
    "UNSIGNED": "A comparison with 0 that these sizes make constant.",
    "UNUSEDSIGNAL": "Every element of a vector also gets a name of its own, for waves; logic drops them.",
    "WIDTHEXPAND": "Constants are emitted as wide as their value; Verilog extends them to what Amaranth sized.",
    "WIDTHTRUNC": "A test for zero is emitted as the logical not of a vector.",
}
BLACK_BOX = {
    "UNDRIVEN": "The hardened macro drives its outputs.",
    "UNUSEDSIGNAL": "The hardened macro reads its inputs.",
}
BEHAVIOURAL = {
    "BLKSEQ": "A conversion's sum is a loop over temporary variables, blocking as in a function.",
    "UNUSEDPARAM": "The same parameters are stated for every kind of macro.",
    "WIDTHEXPAND": "Sums and indices are integers of 32 and 64 bits, wide enough for every design.",
    "WIDTHTRUNC": "Sums and indices are integers; only the bits that can be set are kept.",
}
IDEAL = {"UNUSEDSIGNAL": "Converters of the behavioural view are ideal: nothing is trimmed."}


def waivers(design: Design) -> str:
    """The ``.vlt`` file of a design."""
    lines = ["`verilator_config", ""]
    files = {
        f"{design.name}.v": EMITTED,
        **{view_file("blackbox", layer): BLACK_BOX for layer in unique_layers(design)},
        **{view_file("behavioural", layer): BEHAVIOURAL | _ideal(layer) for layer in unique_layers(design)},
    }
    for file, rules in files.items():
        for rule, reason in rules.items():
            lines += [f"// {reason}", f'lint_off -rule {rule} -file "*{file}"']
        lines.append("")
    for pin in (POWER, GROUND):
        lines += [f"// Where USE_POWER_PINS is defined, the power grid connects {pin} of the macros."]
        lines += [f'lint_off -rule PINMISSING -file "*{design.name}.v" -match "*\'{pin}\'*"']
    return "\n".join([*lines, ""])


def _ideal(layer: Layer) -> dict[str, str]:
    return IDEAL if layer.diagnostics else {}
