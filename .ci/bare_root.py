#!/usr/bin/env python3
"""The README's first run on a bare system. As root: `.ci/bare_root.py`; takes minutes and 6 GB of $TMPDIR.

debootstrap makes a minimal root of this machine's own release of Debian or Ubuntu. In it the
README's apt-get line runs as it is written, without recommended packages; then, in a clone of HEAD and as an ordinary
user, `make demo` and a command for each package that the demo does without. Then the packages go, and commands must
say which they miss. apt and pip get this machine's settings: mirror, proxies, certificates, index, folders of wheels.

Exit status 0: all of it worked, or (one sentence says why) cannot be tried here. 1: something failed.
"""

import ast
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LINE = re.compile(r"^ {4}sudo (apt-get install (.*))$", re.MULTILINE)
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]  #: what is mounted and started ends with them
HOME = Path("/home/reader")
PASSED_ON = re.compile(r"\w+_proxy|SSL_CERT_FILE|OPENBLAS_\w+", re.IGNORECASE)  #: environment, besides pip's settings
PYTHON = "python3 python3-venv"  #: stay when the README's packages go
COMMANDS = {
    "make demo": "every level gives the same integers; report: runs/demo/report.html",
    "ohmgate simulate runs/demo --simulator icarus --sequences 1": " integers compared, 0 differ",
    "ohmgate simulate runs/demo --waves --sequences 1": "waves: runs/demo/simulation/vowels_verilator_waves/dump.fst",
    "ohmgate lint vowels": "vowels: clean with blackbox and behavioural views of the arrays",
    "ohmgate array runs/demo --spice build/array.cir && ngspice -b build/array.cir": "i(vsense0) = ",
}  #: and what their output must hold
REFUSED = {
    "ohmgate demo --out runs/other": "the simulator verilator needs c++, make, Perl's Pod::Usage and libpython3.",
    "ohmgate simulate runs/demo --waves": "the simulator verilator with waves needs c++, make, ",
    "ohmgate simulate runs/demo --simulator icarus": "the simulator icarus needs iverilog, vvp and libpython3.",
    "ohmgate lint vowels": "lint needs Perl's Pod::Usage, which this machine lacks: install the Debian package perl",
}  #: without the README's packages, with status 2


class Failed(Exception):
    """A command ended otherwise than it must."""


def main() -> int:
    absent = [tool for tool in ("debootstrap", "unshare", "git", "apt-get") if shutil.which(tool) is None]
    if os.geteuid() or absent or subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode:
        return skip(f"it needs {', '.join(absent) or 'to be root, with the right to mount'}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="ohmgate_bare_root_", ignore_cleanup_errors=True) as folder:
        return subprocess.run([*NAMESPACES, sys.executable, __file__, Path(folder) / "root"]).returncode


def within_namespaces(root: Path) -> int:
    try:
        with timed("debootstrap"):
            make_root(root)
    except (Failed, OSError) as failure:
        return skip(f"no minimal root can be made here: {failure}")
    try:
        first_run(root)
    except Failed as failure:
        say(f"failed: {failure}")
        return 1
    return 0


def make_root(root: Path) -> None:
    """A minimal root with this machine's network and settings of apt."""
    suite, mirror, components = release()
    run("debootstrap", "--variant=minbase", f"--components={components}", suite, root, mirror)
    run("mount", "-t", "proc", "proc", root / "proc")
    (root / "dev/shm").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", root / "dev/shm")
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(f"/etc/{name}", root / "etc" / name)
    settings = 'APT::Install-Recommends "false";\nAPT::Get::Assume-Yes "true";\nAcquire::Retries "3";\n'
    (root / "etc/apt/apt.conf.d/99bare-root").write_text(run("apt-config", "dump", "Acquire") + settings)
    run("chroot", root, "apt-get", "update")


def first_run(root: Path) -> None:
    """What a reader of the README does, in ``root``."""
    install, packages = LINE.search((REPOSITORY / "README.md").read_text(encoding="utf-8")).groups()
    as_root = ["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c"]
    with timed(install):
        run(*as_root, install)
    environment = {k: v for k, v in os.environ.items() if PASSED_ON.fullmatch(k)} | pip_settings()
    for word in " ".join(environment.values()).split():
        lend(word, root)
    run("chroot", root, "useradd", "--create-home", "--home-dir", HOME, "reader")
    run("git", "clone", "--quiet", REPOSITORY, root / HOME.relative_to("/") / "ohmgate")
    run("chroot", root, "chown", "-R", "reader:reader", HOME)
    environment |= {"HOME": str(HOME), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    settings = [f"{name}={value}" for name, value in environment.items()]
    # .venv/bin stays off the PATH, as in `make demo`
    here = f'ohmgate() {{ .venv/bin/ohmgate "$@"; }}; cd {HOME}/ohmgate && eval "$0"'
    as_reader = ["chroot", "--userspec=reader:reader", root, "env", "-i", *settings, "sh", "-c", here]
    for command, holds in COMMANDS.items():
        with timed(command):
            check(command, run(*as_reader, command), holds)
    with timed("apt-get purge"):
        gone = " ".join(name for name in packages.split() if name not in PYTHON.split())
        run(*as_root, f"apt-mark manual {PYTHON} && apt-get purge --auto-remove {gone}")
    for command, holds in REFUSED.items():
        with timed(f"refusal of {command}"):
            check(command, run(*as_reader, command, status=2), f"ohmgate: error: {holds}")


def check(command: str, said: str, holds: str) -> None:
    if holds not in said:
        raise Failed(f"{command} must say {holds!r}, but says:\n{said}")


def release() -> tuple[str, str, str]:
    """Name, mirror and components of this machine's release, as its apt has them."""
    words = run("sh", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"').split()
    listed = run("apt-get", "indextargets", "--format", "$(RELEASE) $(SITE) $(COMPONENT)", "Created-By: Packages")
    targets = [line.split() for line in listed.splitlines() if line.split()[:1] == words]
    if not targets:
        raise Failed("apt has no list of this release's packages; apt-get update makes it")
    name, mirror, _ = targets[0]
    return name, mirror, ",".join(sorted({target[2] for target in targets if target[1] == mirror}))


def pip_settings() -> dict[str, str]:
    """This machine's settings of pip as environment variables; none where its Python has no pip."""
    listed = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found = [line.split("=", 1) for line in listed.splitlines() if "=" in line]
    found.sort(key=lambda setting: setting[0].startswith(":env:"))  # the environment has the last word
    names = [f"PIP_{key.rpartition('.')[2].upper().replace('-', '_')}" for key, _ in found]
    return {name: str(ast.literal_eval(value)) for name, (_, value) in zip(names, found)}


def lend(word: str, root: Path) -> None:
    """If a word of a setting is a file or a folder of this machine, put it into the root, too, to be read."""
    path = Path(word.removeprefix("file://"))
    if not path.is_absolute() or not path.exists():
        return
    if word.startswith("file://"):  # an index: its links lead to folders beside it
        path = path.parent
    target = root / path.relative_to("/")
    if path.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    elif not target.exists():
        target.mkdir(parents=True)
        run("mount", "--bind", "-o", "ro", path, target)


def run(*command, status: int = 0) -> str:
    """What a command prints, on both streams. Raises :class:`Failed` unless it ends with ``status``."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode != status:
        lines = [line for line in done.stdout.splitlines() if not line.startswith("WARNING: Location")]
        said = "\n".join(lines)[-4000:]
        raise Failed(f"{shlex.join(words)} ended with status {done.returncode}, not {status}:\n{said}")
    return done.stdout


@contextmanager
def timed(what: str) -> Iterator[None]:
    began, used = time.monotonic(), processor_seconds()
    yield
    say(f"{time.monotonic() - began:.0f} s, {processor_seconds() - used:.0f} s of processors: {what}")


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def say(text: str) -> None:
    print(f"bare root: {text}", flush=True)


def skip(reason: str) -> int:
    say(f"skipped: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(within_namespaces(Path(sys.argv[1])) if sys.argv[1:] else main())
