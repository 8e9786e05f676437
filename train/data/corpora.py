"""Texts to learn the next character or word of: surnames and the Penn Treebank."""

import gzip
import hashlib
import string
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...model.formats import DesignError
from .datasets import data_file

CHARACTERS = string.printable  #: the paper's 100 printable characters; a character's index is its input row
END = CHARACTERS.index("\n")  #: ends a name and fills its window
WINDOW = 32  #: predictions per name
NATIONS = (
    "Arabic",
    "Chinese",
    "Czech",
    "Dutch",
    "English",
    "French",
    "German",
    "Greek",
    "Irish",
    "Italian",
    "Japanese",
    "Korean",
    "Polish",
    "Portuguese",
    "Russian",
    "Scottish",
    "Spanish",
    "Vietnamese",
)


@dataclass(frozen=True, eq=False)
class Names:
    """``windows`` (B, WINDOW + 1) uint8 of character indices, END after the name; ``lengths`` (B,) int64."""

    windows: np.ndarray
    lengths: np.ndarray
    checksum: str  #: SHA-256 of the files, in order
    nations: np.ndarray  #: (B,) int64, places in :data:`NATIONS`


@dataclass(frozen=True, eq=False)
class Words:
    """Word indices (n,) int64 of each split, every line followed by <eos>, and the words by index."""

    train: np.ndarray
    valid: np.ndarray
    vocabulary: tuple[str, ...]
    checksum: str  #: SHA-256 of both files, in order


def names(folder: str | Path | None = None) -> Names:
    """Surnames of 18 nations from ``names/*.txt``, one a line, in order of the files' names.

    Marks are dropped from letters (NFKD), and the few characters that are then not among CHARACTERS from names.
    """
    contents = [data_file(f"names/{nation}.txt", folder).read_bytes() for nation in NATIONS]
    try:
        lines = [(nation, line) for nation, text in enumerate(contents) for line in text.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        raise DesignError("files of names must be UTF-8 text, but one is not") from None
    cleaned = [(nation, _plain(line.strip())) for nation, line in lines]
    plain = [name for _, name in cleaned if name]
    longest = max(map(len, plain), default=0)
    if not 0 < longest < WINDOW:
        raise DesignError(f"the longest name must have 1 to {WINDOW - 1} characters, not {longest}")
    windows = np.full((len(plain), WINDOW + 1), END, dtype=np.uint8)
    for row, name in zip(windows, plain):
        row[: len(name)] = [CHARACTERS.index(c) for c in name]
    nations = np.array([nation for nation, name in cleaned if name])
    return Names(windows, np.array([len(name) for name in plain]), checksum(contents), nations)


def _plain(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name) if c in CHARACTERS)


def penn_treebank(folder: str | Path | None = None) -> Words:
    """Mikolov's preprocessed Penn Treebank, 10,000 words, from ``ptb/ptb.{train,valid}.txt.gz``.

    Words are numbered by how often they occur, the most frequent first.
    """
    texts, found = _texts(("train", "valid"), folder)
    counts: dict[str, int] = {}
    for word in texts[0]:
        counts[word] = counts.get(word, 0) + 1
    vocabulary = tuple(sorted(counts, key=lambda word: (-counts[word], word)))
    train, valid = (_numbers(text, vocabulary, name) for text, name in zip(texts, ("training", "validation")))
    return Words(train, valid, vocabulary, found)


def penn_treebank_test(vocabulary: tuple[str, ...], folder: str | Path | None = None) -> tuple[np.ndarray, str]:
    """Word indices (n,) int64 of the test text, ``ptb/ptb.test.txt.gz``, and the file's SHA-256.

    No training reads it: for what is measured once, when all is chosen.
    """
    [text], found = _texts(("test",), folder)
    return _numbers(text, vocabulary, "test"), found


def _texts(splits: tuple[str, ...], folder: str | Path | None) -> tuple[list[list[str]], str]:
    """Words of texts of the Penn Treebank, and the SHA-256 of their files, in order."""
    files = [data_file(f"ptb/ptb.{split}.txt.gz", folder).read_bytes() for split in splits]
    try:
        contents = [gzip.decompress(file) for file in files]
        texts = [content.decode("utf-8").replace("\n", " <eos> ").split() for content in contents]
    except (OSError, EOFError, ValueError):
        raise DesignError("files of the Penn Treebank must be text compressed by gzip, but cannot be read") from None
    return texts, checksum(contents)


def _numbers(text: list[str], vocabulary: tuple[str, ...], name: str) -> np.ndarray:
    index = {word: k for k, word in enumerate(vocabulary)}
    unknown = next((word for word in text if word not in index), None)
    if unknown is not None:
        raise DesignError(f"every word of the {name} text must be one of the training text, not {unknown!r}")
    return np.array([index[word] for word in text])


def checksum(contents: list[bytes]) -> str:
    """SHA-256 of ``contents`` joined, in hexadecimal digits."""
    return hashlib.sha256(b"".join(contents)).hexdigest()
