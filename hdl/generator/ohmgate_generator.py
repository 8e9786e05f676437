"""FuseSoC's generator ``ohmgate``: a chip for a core that asks for one in its section ``generate``.

FuseSoC runs this file with a Python that has ``fusesoc``, and gives it a file with the parameters. ``ohmgate`` must
be on the PATH. What comes out is the core of ``ohmgate handoff`` under the name that FuseSoC has chosen.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from fusesoc.capi2.generator import Generator

FILES = ("design", "technology_lef")  #: parameters that are files in the core's folder
OPTIONS = ("technology_lef", "cell_pitch", "period")


def arguments(parameters: dict[str, object], folder: Path) -> list[str]:
    """Those of ``ohmgate handoff``. Raises ValueError for parameters that it does not have."""
    unknown = [name for name in parameters if name not in ("design", *OPTIONS)]
    if unknown:
        raise ValueError(f"parameters must be design, {', '.join(OPTIONS)}, not {unknown[0]}")
    if "design" not in parameters:
        raise ValueError("the parameter design must be a preset or a .toml file, but is not given")
    given = {name: str(value) for name, value in parameters.items()}
    for name in FILES:
        if name in given and (folder / given[name]).is_file():
            given[name] = str(folder / given[name])
    options = [f"--{name.replace('_', '-')}={given[name]}" for name in OPTIONS if name in given]
    return ["handoff", given["design"], *options, "--out", "."]


def main() -> None:
    """Make the core in the current folder; ends with a sentence where that fails."""
    asked = Generator()
    ohmgate = shutil.which("ohmgate")
    if ohmgate is None:
        sys.exit("the generator needs ohmgate on the PATH: pip install 'ohmgate[handoff]'")
    try:
        command = arguments(asked.config or {}, Path(asked.files_root or "."))
    except ValueError as error:
        sys.exit(f"generator ohmgate: {error}")
    done = subprocess.run([ohmgate, *command], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    [core] = Path().glob("*.core")
    core.write_text(re.sub(r"^name: .*$", f"name: {asked.vlnv}", core.read_text(), flags=re.MULTILINE))


if __name__ == "__main__":
    main()
