"""Settings of OpenROAD-flow-scripts."""

from ...model.design import Design
from ..macro_views import unique_layers
from .compare import physical_file


def orfs(design: Design) -> str:
    """``config.mk``; paths are relative to the file, whose folder may lie anywhere."""
    lefs, libs, layouts = (
        " ".join(f"$(HANDOFF)/{physical_file(kind, layer)}" for layer in unique_layers(design))
        for kind in ("lef", "liberty", "gds")
    )
    return f"""# OpenROAD-flow-scripts: make DESIGN_CONFIG=.../config.mk
HANDOFF := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

export PLATFORM ?= nangate45
export DESIGN_NAME = {design.name}
export DESIGN_NICKNAME = {design.name}
export VERILOG_FILES = $(HANDOFF)/{design.name}.v
export SDC_FILE = $(HANDOFF)/{design.name}.sdc

# The macros. Their black boxes come from their Liberty views.
export ADDITIONAL_LEFS = {lefs}
export ADDITIONAL_LIBS = {libs}
export ADDITIONAL_GDS = {layouts}

# PLACEHOLDER: how full the core is, as nobody has placed it yet.
export CORE_UTILIZATION ?= 40
"""
