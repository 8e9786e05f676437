"""Fetched data are the data folder's: originals of the published layout, served on loopback."""

import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data import fetch
from ohmgate.train.data.corpora import NATIONS, names, penn_treebank, penn_treebank_test
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.data.images import cifar10
from ohmgate.train.data.strokes import strokes

DATA = os.environ.get("OHMGATE_DATA")
external = pytest.mark.skipif(DATA is None, reason="OHMGATE_DATA, the data folder, is not set")


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """serve(name, content): an original's content at a loopback address, its checksum the right one."""
    folder, log = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            log.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("OHMGATE_DATA", raising=False)
    for name, original in fetch.ORIGINALS.items():  # nothing is asked of the world
        path = original.url.rpartition("/")[2]
        local = original._replace(url=f"http://127.0.0.1:{server.server_port}/{path}")
        monkeypatch.setitem(fetch.ORIGINALS, name, local)

    def put(name: str, content: bytes, checksum: bool = True) -> list[str]:
        original = fetch.ORIGINALS[name]
        (folder / original.url.rpartition("/")[2]).write_bytes(content)
        if checksum:
            changed = original._replace(sha256=hashlib.sha256(content).hexdigest())
            monkeypatch.setitem(fetch.ORIGINALS, name, changed)
        return log

    yield put
    server.shutdown()
    server.server_close()


def uci_archive(arrays) -> bytes:
    """``har.npz``'s arrays as UCI publishes them: text files with 8 digits and 3-digit exponents, zipped twice."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        labels = "".join(f"{k + 1} {name}\n" for k, name in enumerate(arrays["classes"]))
        file.writestr("UCI HAR Dataset/activity_labels.txt", labels)
        for split in ("train", "test"):
            for name, values in (("y", arrays[f"y_{split}"] + 1), ("subject", arrays[f"subject_{split}"])):
                file.writestr(f"UCI HAR Dataset/{split}/{name}_{split}.txt", "".join(f"{v}\n" for v in values))
            windows = arrays[f"x_{split}"]
            row = "%16.7e" * windows.shape[1] + "\n"
            for channel, name in enumerate(arrays["channels"]):
                text = "".join(row % tuple(window) for window in windows[:, :, channel].tolist())
                text = text.replace("e-", "e-0").replace("e+", "e+0")
                file.writestr(f"UCI HAR Dataset/{split}/Inertial Signals/{name}_{split}.txt", text)
    with zipfile.ZipFile(outer, "w") as file:
        file.writestr("UCI HAR Dataset.names", "")
        file.writestr("UCI HAR Dataset.zip", inner.getvalue())
    return outer.getvalue()


def random_arrays() -> dict:
    rng = np.random.default_rng(0)
    arrays = {"classes": np.array(["WALKING", "LAYING"]), "channels": np.array(fetch.SIGNALS)}
    for split, count in (("train", 7), ("test", 4)):
        decimals = np.array([float(f"{v:.7e}") for v in rng.normal(size=count * 128 * 9)])
        arrays[f"x_{split}"] = decimals.astype(np.float32).reshape(count, 128, 9)
        arrays[f"y_{split}"] = (np.arange(count) % 2).astype(np.uint8)
        arrays[f"subject_{split}"] = rng.integers(1, 31, count).astype(np.uint8)
    return arrays


def assert_same(path: Path, arrays: dict) -> None:
    with np.load(path) as made:
        assert set(made.files) == set(arrays)
        for name, values in arrays.items():
            assert made[name].dtype == values.dtype
            assert np.array_equal(made[name], values)


def test_har_is_fetched_once_and_converted(serve):
    arrays = random_arrays()
    log = serve("har.npz", uci_archive(arrays))
    assert_same(fetch.fetch("har.npz"), arrays)
    data = load_dataset("har")
    assert len(log) == 1
    assert data.classes == ("walking", "laying")
    assert np.array_equal(data.test.features, arrays["x_test"])
    assert data.train.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert np.array_equal(data.train.groups, arrays["subject_train"])
    path = fetch.fetch("har.npz")
    assert [other.name for other in path.parent.iterdir() if other.is_file()] == ["har.npz"]  # no part left behind


@external
@pytest.mark.parametrize("stride", [100, pytest.param(1, marks=pytest.mark.full)])
def test_fetched_har_is_the_shared_one(serve, stride):
    with np.load(Path(DATA) / "har.npz") as file:
        arrays = {
            name: file[name][::stride] if name.endswith(("train", "test")) else file[name] for name in file.files
        }
    serve("har.npz", uci_archive(arrays))
    assert_same(fetch.fetch("har.npz"), arrays)


def test_cifar_is_fetched_and_converted(serve):
    """From a class in a byte and three planes each, in five files to train with and one to test with."""
    rng, archive = np.random.default_rng(0), io.BytesIO()
    wanted = {"x_train": [], "y_train": [], "x_test": [], "y_test": []}
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
            rows = rng.integers(0, 256, (2, 3073), dtype=np.uint8)
            rows[:, 0] %= 10
            split = "test" if name == "test_batch" else "train"
            for row in rows:
                wanted[f"y_{split}"].append(row[0])
                planes = row[1:].reshape(3, 32, 32)
                wanted[f"x_{split}"].append(np.stack([planes[0], planes[1], planes[2]], axis=-1))
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            entry.size = rows.size
            tar.addfile(entry, io.BytesIO(rows.tobytes()))
    serve("cifar10.npz", archive.getvalue())
    assert_same(fetch.fetch("cifar10.npz"), {name: np.stack(part) for name, part in wanted.items()})
    data = cifar10()
    assert float(data.train.values[9, 2, 4, 5]) == np.float32(wanted["x_train"][9][4, 5, 2]) / np.float32(255)
    assert data.test.labels.tolist() == [int(label) for label in wanted["y_test"]]


def test_texts_are_fetched(serve):
    for nation in NATIONS:
        serve(f"names/{nation}.txt", f"{nation}son\nÁvila\n".encode())
    data = names()
    assert data.lengths.tolist() == [length for nation in NATIONS for length in (len(nation) + 3, 5)]
    serve("ptb/ptb.train.txt.gz", b" a b a \n b a \n")
    serve("ptb/ptb.valid.txt.gz", b" b a \n")
    serve("ptb/ptb.test.txt.gz", b" a \n")
    words = penn_treebank()
    assert penn_treebank_test(words.vocabulary)[0].tolist() == [0, 1]
    assert words.vocabulary == ("a", "<eos>", "b")
    assert words.valid.tolist() == [2, 0, 1]


@external
def test_fetched_texts_are_the_shared_ones_and_have_the_checksums_in_the_source(serve):
    folder = Path(DATA)
    for name in fetch.ORIGINALS:
        if not name.endswith(".npz"):  # made of originals that are not there
            content = (folder / name).read_bytes()
            serve(name, gzip.decompress(content) if name.endswith(".gz") else content, checksum=False)
    assert np.array_equal(names().windows, names(folder).windows)
    assert names().checksum == names(folder).checksum
    fetched, shared = penn_treebank(), penn_treebank(folder)
    assert np.array_equal(fetched.train, shared.train)
    assert np.array_equal(fetched.valid, shared.valid)
    assert fetched.checksum == shared.checksum


def test_other_content_is_refused_and_not_kept(serve, tmp_path):
    serve("names/Greek.txt", b"Other\n", checksum=False)
    original = fetch.ORIGINALS["names/Greek.txt"]
    for _ in range(2):
        with pytest.raises(DesignError) as error:
            fetch.fetch("names/Greek.txt")
        assert str(error.value) == (
            f"the original of data file 'names/Greek.txt' must have SHA-256 {original.sha256}, "
            f"but {original.url} has another"
        )
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_failed_download_names_the_ways_out(serve, monkeypatch):
    url = fetch.ORIGINALS["har.npz"].url
    sentence = "data file 'har.npz' must be had from {} or lie in a folder given by --data or OHMGATE_DATA, but fetching it failed: {}"
    with pytest.raises(DesignError) as error:
        load_dataset("har")
    assert str(error.value) == sentence.format(url, "HTTPError")
    closed = "http://127.0.0.1:1/x.zip"
    monkeypatch.setitem(fetch.ORIGINALS, "har.npz", fetch.ORIGINALS["har.npz"]._replace(url=closed))
    with pytest.raises(DesignError) as error:
        load_dataset("har")
    assert str(error.value) == sentence.format(closed, "ConnectionError")


def test_a_file_without_a_source_must_lie_in_the_folder(serve):
    sentence = (
        "data file 'mnist_strokes.npz' must lie in a folder given by --data or OHMGATE_DATA, as it is not fetched"
    )
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        strokes()


def test_every_file_that_the_loaders_read_has_a_source():
    loaded = {"har.npz", "cifar10.npz", *(f"names/{nation}.txt" for nation in NATIONS)}
    assert set(fetch.ORIGINALS) == loaded | {f"ptb/ptb.{split}.txt.gz" for split in ("train", "valid", "test")}
    for original in fetch.ORIGINALS.values():
        assert original.url.startswith("https://")
        assert len(original.sha256) == 64
