"""The texts by their names: how each is read, trained and shown to a network step by step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.corpora import CHARACTERS, Names, Words, names, penn_treebank
from .config import LanguageConfig
from .descent import LanguageResult
from .names import train_names
from .words import train_words

WINDOW = 35  #: words of an example


@dataclass(frozen=True, eq=False)
class Text:
    """``names`` or ``ptb``."""

    data: Names | Words

    @classmethod
    def read(cls, name: str, folder: str | Path | None = None) -> "Text":
        """A text of :data:`..data.datasets.TEXTS`. Raises :class:`DesignError` where it is not there."""
        return cls(names(folder) if name == "names" else penn_treebank(folder))

    @property
    def tokens(self) -> int:
        """How many different tokens there are."""
        return len(CHARACTERS) if isinstance(self.data, Names) else len(self.data.vocabulary)

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the figures that a training ends with."""
        if isinstance(self.data, Names):
            return "accuracy", "perplexity", "name_accuracy", "name_perplexity"
        return ("perplexity",)

    def train(self, config: LanguageConfig, progress=None, **kept) -> LanguageResult:
        """As :func:`.names.train_names` or :func:`.words.train_words`."""
        if isinstance(self.data, Names):
            return train_names(self.data, config, progress, **kept)
        return train_words(self.data, config, progress, **kept)

    def examples(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Token indices (B, T) int64 of the first ``count`` sequences at most, and their lengths (B,).

        Names up to the last character; pieces of the validation text.
        """
        if isinstance(self.data, Names):
            return self.data.windows[:count, :-1].astype(np.int64), self.data.lengths[:count]
        count = min(count, len(self.data.valid) // WINDOW)
        return self.data.valid[: count * WINDOW].reshape(count, WINDOW), np.full(count, WINDOW)
