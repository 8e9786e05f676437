"""The user's cache, or one for this process where that cannot be written. Here because every folder may import it."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from .prerequisites import require_place

USERS = ("ohmgate", "wasmtime", "YoWASP")  #: folders in it: kernels, Amaranth's Yosys, nextpnr


def cache_home() -> Path:
    """$XDG_CACHE_HOME, by default ~/.cache; where that cannot be written, a temporary folder of this process.

    The temporary folder becomes $XDG_CACHE_HOME, so that the programs which are started from here take it, too: the
    WebAssembly tools among them give up without a cache.
    """
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        for user in USERS:
            (home / user).mkdir(parents=True, exist_ok=True)
            require_place(home / user / "file")
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        home = Path(tempfile.mkdtemp(prefix="ohmgate_cache_"))
        os.environ["XDG_CACHE_HOME"] = str(home)
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home
