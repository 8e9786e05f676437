"""An exploration of vowels with trained variants: ``python -m benchmarks.explore_vowels --out FOLDER [--json FILE]``.

With noise in training and evaluation. It runs on two processes of this machine, is killed in the middle and goes on
with the same command. Then its first trials again, by two workers of a dask scheduler: their scores must be the same.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from distributed import LocalCluster

from ohmgate.model.files import write_text

VARY = ("hidden=16,24,32", "adc_bits=3,4,6", "dac_bits=2,4", "weight_bits=2,4", "cell_bits=16,32")
NOISE = ("--weight-noise", "0.1", "--adc-noise", "0.29")
DASK: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
OHMGATE = Path(sys.executable).with_name("ohmgate")
TRIALS, KILLED_AFTER, DASK_TRIALS = 20, 7, 6


def command(trials: int, *more: str) -> list[str]:
    """``ohmgate explore`` of the grid, without its folder."""
    grid = [word for field in VARY for word in ("--vary", field)]
    return ["explore", "vowels", *grid, *NOISE, "--trials", str(trials), *more]


def killed(words: list[str], networks: Path) -> int:
    """Run ``words``, kill it once :data:`KILLED_AFTER` trials are done, and say how many were."""
    process = subprocess.Popen([str(OHMGATE), *words])
    while len(list(networks.glob("trial_*"))) < KILLED_AFTER:
        if process.poll() is not None:
            raise SystemExit("the exploration ended before it could be killed")
        time.sleep(0.2)
    process.kill()
    process.wait()
    return len(list(networks.glob("trial_*")))


def explored(folder: Path) -> dict[str, Any]:
    """What an exploration has written."""
    return json.loads((folder / "explore.json").read_text())


def text(about: dict[str, Any], found: dict[str, Any]) -> str:
    """The result: all trials and the front of what was trained, a line of JSON each."""
    trained, points = found["trained"], {point["name"]: point for point in found["points"]}
    trials, front = trained.pop("trials"), [points[name] for name in trained.pop("front")]
    about |= {"variants": len(points), "sequence_steps": found["sequence_steps"]}
    about["trained_variants"] = sum(point["trial"] is not None for point in points.values())
    head = json.dumps(about | trained, indent=1)[:-2]
    lists = {"trials": trials, "front": front}
    parts = [f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, rows)) + "\n ]" for name, rows in lists.items()]
    return head + ",\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Run it all; the folder is made anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the explorations")
    parser.add_argument("--json", type=Path, help="file to write what came of it to")
    arguments = parser.parse_args()
    local, dask = arguments.out / "local", arguments.out / "dask"
    for folder in (local, dask):
        shutil.rmtree(folder, ignore_errors=True)
    here = command(TRIALS, "--workers", "2")
    words = [*here, "--out", str(local)]
    before = killed(words, local / "networks")
    subprocess.run([str(OHMGATE), *words], check=True)
    machines: Any = LocalCluster(**DASK)
    with machines as cluster:
        there = command(DASK_TRIALS, "--executor", f"dask:{cluster.scheduler_address}")
        subprocess.run([str(OHMGATE), *there, "--out", str(dask)], check=True)
    ours, theirs = explored(local)["trained"]["trials"], explored(dask)["trained"]["trials"]
    same = ours[:DASK_TRIALS] == theirs
    print(f"killed after {before} of {TRIALS} trials; {DASK_TRIALS} by dask are {'the same' if same else 'OTHERS'}")
    if arguments.json is not None:
        about = {
            "command": "ohmgate " + " ".join(here),
            "trials_done_when_killed": before,
            "dask_trials": DASK_TRIALS,
            "dask_trials_differ": sum(one != other for one, other in zip(ours, theirs, strict=False)),
        }
        write_text(arguments.json, text(about, explored(local)))
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
