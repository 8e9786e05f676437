"""Run by a Python that has LibreLane: loads a hand-off's config.yaml with a dummy PDK, and runs up to a step.

``python librelane_check.py CONFIG PDK_ROOT [STEP]``. The PDK is Tcl variables made up from what LibreLane says that it needs.
Exit status 3 where LibreLane refuses the configuration.
"""

import sys
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import get_args, get_origin

LibreLanePath = import_module("librelane.common").Path
InvalidConfig = import_module("librelane.config").InvalidConfig
Flow = import_module("librelane.flows").Flow


def value(kind, folder: Path) -> str:
    """A made-up Tcl value of a type."""
    if get_origin(kind) is dict:
        key, content = get_args(kind)
        return f"{value(key, folder)} {value(content, folder)}"
    if get_origin(kind) in (list, tuple):
        return " ".join(value(part, folder) for part in get_args(kind) if part is not ...)
    if get_args(kind):  # of a union the first
        return value(get_args(kind)[0], folder)
    if isinstance(kind, type) and issubclass(kind, LibreLanePath):
        return str(folder / "file")
    if kind in (int, Decimal, float, bool):
        return "1"
    return "nom_tt"


def make_pdk(flow: type, root: Path) -> None:
    tech = root / "dummy" / "libs.tech" / "librelane"
    (tech / "cells").mkdir(parents=True)
    (root / "file").write_text("")
    lines = ["set ::env(STD_CELL_LIBRARY) cells"]
    for variable in flow.get_all_config_variables(flow):  # of the class: an instance needs the PDK
        if (
            variable.pdk
            and variable.default is None
            and not variable.optional
            and variable.name != "STD_CELL_LIBRARY"
        ):
            lines.append(f"set ::env({variable.name}) {{{value(variable.type, root)}}}")
    (tech / "config.tcl").write_text("\n".join(lines) + "\n")
    (tech / "cells" / "config.tcl").write_text("")


def main(config: str, root: str, step: str | None = None) -> None:
    flow = Flow.factory.get("Classic")
    make_pdk(flow, Path(root))
    try:
        loaded = flow(str(config), pdk_root=root, pdk="dummy", design_dir=str(Path(config).parent))
    except InvalidConfig as error:
        print("REFUSED", *error.errors, sep="\n")
        sys.exit(3)
    for name, macro in loaded.config["MACROS"].items():
        print("MACRO", name, *macro.instances)
    if step:
        loaded.start(tag="check", to=step)


main(*sys.argv[1:])
