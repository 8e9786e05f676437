"""Builds and loads kernel.cpp and its headers on first use: a C++ compiler is wanted, but not needed.

The library lies in the user's cache, under a name that holds the source, torch's version and the machine's
instruction set; it is written under another name and renamed, and a file lock lets one process build at a time.
"""

import hashlib
import os
import platform
import shutil
import tempfile
import warnings
from functools import lru_cache
from importlib import resources
from pathlib import Path

import torch
from filelock import FileLock

from ...model.caches import cache_home
from ...model.programs import ProgramError, ended, run_program

PARTS = (
    "blocks",
    "codes",
    "gates",
    "gaussian",
    "loop",
    "packed",
    "parallel",
    "product",
    "rnn",
    "step",
    "steps",
    "tiles",
    "weights",
)
SOURCES = ("kernel.cpp", *(f"kernel_{part}.h" for part in PARTS))
X86 = platform.machine() in ("x86_64", "AMD64")
FLAGS = (
    "-O3",
    "-march=native",
    *(("-mprefer-vector-width=512",) if X86 else ()),  # registers of 512 bits where the processor has them
    "-std=c++20",
    "-fPIC",
    "-shared",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
)


@lru_cache(maxsize=1)
def kernel():
    """``torch.ops.ohmgate``, or None (with a warning) where it cannot be built: then the eager path serves."""
    try:
        torch.ops.load_library(str(_built()))
    except (OSError, RuntimeError, ProgramError) as error:
        warnings.warn(f"training runs without its C++ kernel, several times slower: {error}", stacklevel=3)
        return None
    return torch.ops.ohmgate


def loaded_kernel():
    """The kernel if something has loaded it already, else None: noise alone is no reason to build it."""
    return kernel() if kernel.cache_info().currsize else None


def _built() -> Path:
    folder = resources.files("ohmgate.train.kernel")
    sources = {name: (folder / name).read_bytes() for name in SOURCES}
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
    if compiler is None:
        raise OSError("no C++ compiler (g++ or clang++) was found")
    said = (*FLAGS, torch.__version__, platform.machine(), _instruction_set(), compiler)
    name = hashlib.sha256(b"".join(sources.values()) + " ".join(said).encode()).hexdigest()[:16]
    cache = cache_home() / "ohmgate"
    library = cache / f"kernel_{name}.so"
    if library.exists():
        return library
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"kernel_{name}.lock"), tempfile.TemporaryDirectory(dir=cache) as temporary:
        if not library.exists():
            for source, content in sources.items():
                (Path(temporary) / source).write_bytes(content)
            made = Path(temporary) / library.name
            done = run_program(_command(compiler, Path(temporary) / SOURCES[0], made), Path(temporary))
            if done.returncode:
                errors = [line for line in done.stdout.splitlines() if "error" in line]
                raise ProgramError(errors[0] if errors else f"{compiler} {ended(done.returncode, cache)}")
            made.replace(library)
    return library


def _command(compiler: str, source: Path, library: Path) -> list[str]:
    root = Path(torch.__file__).parent
    includes = [f"-I{root / 'include'}", f"-I{root / 'include' / 'torch' / 'csrc' / 'api' / 'include'}"]
    abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"
    return [
        compiler,
        *FLAGS,
        abi,
        *includes,
        str(source),
        f"-L{root / 'lib'}",
        "-ltorch_cpu",
        "-lc10",
        "-o",
        str(library),
    ]


def _instruction_set() -> str:
    """The processor's features, because the library is built for this processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
