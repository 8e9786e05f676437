"""What a chip gave, in the units of the data: a table of codes, values and what would have been right."""

from pathlib import Path

import numpy as np

from ..model.files import write_text
from ..model.formats import DesignError
from ..model.metrics import is_values, rmse
from ..model.network import Network
from ..sim.job import DeviceJob, DeviceRecord
from ..sim.levels import chip_codes
from .console import say
from .inputs import labels_of

HEAD = "sequence,step,output,code,value,right"


def check_values(network: Network) -> None:
    """Raise :class:`DesignError` for a network whose outputs are no values."""
    if network.design.layers[-1].output == "argmax":
        raise DesignError("--values needs a last layer that gives codes, not the number of a class")


def write_values(path: Path, job: DeviceJob, record: DeviceRecord, right: np.ndarray | None) -> None:
    """Write every output of the chip to ``path`` (CSV), and say how far it is from what is right, if that is known.

    ``right`` are values (B, k), or (B, T, k) for a network that gives some on every step.
    """
    network = job.network
    names = network.labels or tuple(map(str, range(network.design.layers[-1].outputs)))
    places, codes = chip_codes(job, record)
    values = network.decode(codes)
    wanted = None if right is None else np.array([right[at if right.ndim == 3 else at[0]] for at in places])
    lines = [HEAD]
    for row, (sequence, step) in enumerate(places):
        for output, name in enumerate(names):
            last = "" if wanted is None else repr(float(wanted[row, output]))
            code, value = int(codes[row, output]), float(values[row, output])
            quoted = '"' + name.replace('"', '""') + '"'
            lines.append(f"{sequence},{step},{quoted},{code},{value!r},{last}")
    write_text(path, "\n".join(lines) + "\n")
    score = "" if wanted is None or not places else f", RMSE {rmse(values, wanted):.4g}"
    say(f"{len(places)} results of the chip in units of the data: {path}{score}")


def right_values(network: Network, dataset: str, count: int, data: Path | None) -> np.ndarray | None:
    """Values of the first ``count`` test sequences of a data set; None where it has none."""
    labels = labels_of(network, dataset, count, data)
    return labels if labels is not None and is_values(labels) else None
