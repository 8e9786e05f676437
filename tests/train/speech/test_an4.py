"""AN4: frames of each utterance, speakers that are held out, files that are not it."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.speech.an4 import an4
from ohmgate.train.speech.characters import BLANK, SYMBOLS, codes_of, text_of


def write_an4(folder: Path, **changes) -> None:
    """Three utterances of two speakers to train with, and one to test with, of 4, 2, 3 and 5 frames."""
    frames = np.arange(14 * 13, dtype=np.float32).reshape(14, 13)
    arrays = {
        "feat_train": frames[:9],
        "len_train": np.array([4, 2, 3], dtype=np.int32),
        "text_train": np.array(["YES", "ENTER A B", "NO"]),
        "id_train": np.array(["fash/an1-fash-b", "mjda/an2-mjda-b", "fash/an3-fash-b"]),
        "feat_test": frames[9:],
        "len_test": np.array([5], dtype=np.int32),
        "text_test": np.array(["GO"]),
        "id_test": np.array(["mxyz/an4-mxyz-b"]),
    }
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(folder / "an4_mfcc.npz", **kept)


def test_utterances(tmp_path):
    write_an4(tmp_path)
    found = an4(tmp_path)
    assert [len(frames) for frames in found.train.frames] == [4, 2, 3]
    assert found.train.frames[1][:, 0].tolist() == [52, 65]
    assert found.train.texts[1] == "ENTER A B"
    assert found.train.speakers == ["fash", "mjda", "fash"]
    assert (len(found.test), found.test.texts, found.test.frames[0].shape) == (1, ["GO"], (5, 13))
    other = found.train.take([2, 0])
    assert (other.texts, other.speakers, other.frames[0][0, 0]) == (["NO", "YES"], ["fash", "fash"], 78)


def test_speakers_are_held_out(tmp_path):
    write_an4(tmp_path)
    data = an4(tmp_path)
    held = data.validation(2)
    assert (held.train.texts, held.test.texts) == (["YES", "NO"], ["ENTER A B"])
    assert held.content != data.content
    for every in (1, 3):
        with pytest.raises(
            DesignError, match=rf"^every {every}th speaker to hold back must leave some on either side"
        ):
            data.validation(every)


@pytest.mark.parametrize(
    "changes",
    [
        {"text_test": None},
        {"len_train": np.array([4, 2, 4])},
        {"len_train": np.array([6, -1, 4])},
        {"id_test": np.array(["a/b", "c/d"])},
    ],
)
def test_other_files_are_refused(tmp_path, changes):
    write_an4(tmp_path, **changes)
    said = "file 'an4_mfcc.npz' must hold feat, len, text and id of both splits, but cannot be read"
    with pytest.raises(DesignError, match=f"^{re.escape(said)}$"):
        an4(tmp_path)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"feat_train": np.zeros((9, 40))}, "frames of 'train' must have 13 cepstra, not 40"),
        (
            {"len_train": np.array([4, 0, 5])},
            "utterance 1 of 'train' must have frames of finite numbers, but has none",
        ),
        (
            {"feat_test": np.full((5, 13), np.nan)},
            "utterance 0 of 'test' must have frames of finite numbers, but has others",
        ),
    ],
)
def test_own_utterances_that_no_network_takes_are_refused(tmp_path, changes, said):
    write_an4(tmp_path, **changes)
    with pytest.raises(DesignError, match=f"^{re.escape(said)}$"):
        an4(tmp_path)


def test_a_count_of_no_speakers_is_refused(tmp_path):
    write_an4(tmp_path)
    with pytest.raises(
        DesignError, match="^speakers of whom one is held back must be an integer from 1 to 1000, not 0$"
    ):
        an4(tmp_path).validation(0)


def test_transcripts_are_codes():
    assert (BLANK, SYMBOLS) == (0, 28)
    assert codes_of("A Z") == [2, 1, 27]
    assert text_of([2, 1, 27]) == "A Z"
    with pytest.raises(DesignError, match=r"^a transcript must be of the letters A to Z and spaces, not 'NO 1'$"):
        codes_of("NO 1")


@pytest.mark.skipif(
    not Path(os.environ.get("OHMGATE_DATA", ""), "an4_mfcc.npz").is_file(), reason="needs an4_mfcc.npz"
)
def test_the_real_ones():
    found = an4()
    assert (len(found.train), len(found.test)) == (948, 130)
    assert (len(set(found.train.speakers)), len(set(found.test.speakers))) == (74, 10)
    assert not set(found.train.speakers) & set(found.test.speakers)
    assert sum(len(frames) for frames in found.train.frames) == 253_682
    assert sum(len(text.split()) for text in found.test.texts) == 773
    held = found.validation()
    assert (len(held.train), len(held.test), len(set(held.test.speakers))) == (820, 128, 10)
    assert not set(held.train.speakers) & set(held.test.speakers)
