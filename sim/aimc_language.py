"""The Penn Treebank in ``ohmgate sweep aimc``: the next word, predicted by an LSTM on chips.

The LSTM's array is on a chip. Embedding and softmax are the host's and float, as in all of the project's language
models. The test text is read in pieces side by side, each from a state of 0.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..analog.config import ArrayConfig
from ..analog.inference import build_arrays, convert_through
from ..model import reference
from ..model.design import Design
from ..model.formats import DesignError, check_choice, check_integer, full_scale
from ..model.layers import LstmLayer
from ..model.network import Network
from ..model.seeds import child
from ..train.data.corpora import Words, penn_treebank, penn_treebank_test
from ..train.experiments.trial import Outcome, Told
from ..train.language.config import LanguageConfig
from ..train.language.descent import epoch_note, own_random_numbers
from ..train.language.model import LanguageModel
from ..train.language.next_words import NextWords, Score, score_of
from ..train.language.protocols import design_protocol, language_protocol
from ..train.language.words import begin_words, train_words
from ..train.layers.noise import Noise
from ..train.layers.threads import single_thread
from . import aimc
from .aimc import TIMES
from .aimc_tasks import HARDWARE, ROWS, WIDTH
from .aimc_trials import CHIPS, MAPPINGS

TASK = "ptb"
TOKENS = 10_000
PIECE = 400  #: words that are read from a state of 0 on
EVERY = 2  #: one piece of so many is read
EPOCHS = 3  #: of training for chips
TOGETHER = 40  #: steps whose words the host predicts at once


@dataclass(frozen=True, kw_only=True)
class LanguageProtocol:
    """Everything that decides a trial besides the data."""

    design: str  #: fingerprint
    floating: LanguageConfig
    hardware: LanguageConfig | None  #: of a training for the chips; None: the float network's weights as they are
    array: ArrayConfig
    chips: int = CHIPS
    piece: int = PIECE
    every: int = EVERY


def design_of() -> Design:
    """The LSTM of 300 units with 8 bits everywhere, tiles of at most 512 rows, and the bias rows of its protocol."""
    [layer] = Design.load(TASK).layers
    fields: dict[str, Any] = {"weight_bits": WIDTH, "dac_bits": WIDTH, "adc_bits": WIDTH, "tile_rows": ROWS}
    bias_rows = language_protocol(TASK, (WIDTH, WIDTH), 0, Noise()).quant.bias_rows
    return Design(f"{TASK}8", (replace(layer, bias_rows=bias_rows, **fields),))


def floating_of(seed: int) -> LanguageConfig:
    """The text's protocol without quantisation."""
    return design_protocol(design_of(), TASK, TOKENS, seed=seed, floating=True, noise=Noise())


def hardware_of(seed: int) -> LanguageConfig:
    """Training for chips that goes on from the float network: at a quarter of its rate."""
    return design_protocol(
        design_of(),
        TASK,
        TOKENS,
        seed=seed,
        floating=False,
        noise=HARDWARE,
        quantiser="absmax",
        epochs=EPOCHS,
        learning_rate=floating_of(seed).learning_rate / 4,
        noise_ramp=0.3,
        weight_clip=2.5,
        distil=0.5,
    )


def mapped_of(seed: int) -> LanguageConfig:
    """How the float network's weights are quantised as they are."""
    return replace(hardware_of(seed), noise=Noise(), distil=0.0)


# -- reading --------------------------------------------------------------------------------------------------------


def pieces_of(words: np.ndarray) -> np.ndarray:
    """(B, PIECE + 1): one piece of each ``EVERY`` of a text. Its first word is given, the others are predicted."""
    starts = np.arange(0, len(words) - PIECE, EVERY * PIECE)
    if not len(starts):
        raise DesignError(f"a text for chips must have at least {PIECE + 1} words, not {len(words)}")
    return words[starts[:, None] + np.arange(PIECE + 1)]


def chance(tokens: np.ndarray) -> float:
    """Share (0..1) of the words of pieces (B, T + 1) that are the most frequent one of the training text: word 0."""
    return float((tokens[:, 1:] == 0).mean())


def hidden_values(network: Network, codes: np.ndarray, convert: reference.Convert) -> Iterator[np.ndarray]:
    """What an LSTM layer hands on, (B, n) codes step by step, of DAC codes (B, T, m): :func:`.reference.run`'s.

    Nothing is kept of a step but the state, so that a text may be long.
    """
    layer, data = network.design.layers[0], network.layers[0]
    assert isinstance(layer, LstmLayer)
    assert data.tables is not None
    batch, steps, inputs = codes.shape
    drive = np.zeros((batch, layer.rows), dtype=np.int64)  # hidden rows are not driven on the first step
    drive[:, inputs + layer.hidden :] = full_scale(layer.dac_bits)
    cell, tables = np.zeros((batch, layer.hidden), dtype=np.int64), data.tables.astype(np.int64)
    for step in range(steps):
        drive[:, :inputs] = codes[:, step]
        adc = reference.column_codes(layer, convert(0, drive, np.full(batch, step == 0)))
        places = adc.reshape(batch, layer.gates, -1) - layer.sum_range[0]
        gates = tables[np.arange(layer.gates)[:, None], places]
        cell, hidden, out, _ = reference.cell_update(layer, gates, cell)
        drive[:, inputs : inputs + layer.hidden] = hidden
        yield out


def score_chip(model: LanguageModel, tokens: np.ndarray, config: ArrayConfig, seed: int, chip: int) -> Score:
    """Of a chip that reads pieces (B, T + 1) of a text; which one depends on ``seed`` and ``chip`` alone.

    All pieces see one course of noise that lasts, as neighbours do in the other trials.
    """
    network = model.export()
    codes = network.encode(model.inputs(tokens[:, :-1]))
    arrays = build_arrays(network, config, child(seed, chip), len(tokens))
    found, words = [], NextWords(model)
    for step, out in enumerate(hidden_values(network, codes, convert_through(arrays)), 1):
        found.append(network.decode(out))
        if len(found) == TOGETHER or step == codes.shape[1]:
            words.see(np.stack(found), tokens.T[step + 1 - len(found) : step + 1])
            found.clear()
    return words.score


# -- the trial ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LanguageAimcTrial:
    """The Penn Treebank on eight chips, 1 s to 1 year after they were programmed."""

    mapping: str
    seed: int = 0

    task = "aimc_ptb"
    data = TASK
    is_language = True

    def __post_init__(self) -> None:
        check_choice("mapping", self.mapping, MAPPINGS)
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        return f"aimc_{TASK}_{self.mapping}_seed{self.seed}"

    def protocol(self) -> LanguageProtocol:
        hardware = hardware_of(self.seed) if self.mapping == "hwa" else None
        design, floating, array = design_of().fingerprint, floating_of(self.seed), aimc.aged(aimc.HOUR)
        return LanguageProtocol(design=design, floating=floating, hardware=hardware, array=array)

    def check_data(self, folder: str | Path | None) -> None:
        penn_treebank_test(penn_treebank(folder).vocabulary, folder)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        """Train and read. Where networks are kept, so are the trainings, which go on where they were stopped."""
        words = penn_treebank(folder)
        test, checksum = penn_treebank_test(words.vocabulary, folder)
        floating = _float(self.seed, words, told, device, network)
        model = _quantised(self, floating, words, told, device, network).to("cpu")
        floating, tokens = floating.to("cpu"), pieces_of(test)
        if network is not None:
            model.save(network)
        of_float, of_quiet = score_of(floating, tokens), score_chip(model, tokens, ArrayConfig(), self.seed, 0)
        final = {"float": of_float.accuracy, "float_perplexity": of_float.perplexity, "chance": chance(tokens)}
        final |= {"quiet": of_quiet.accuracy, "quiet_perplexity": of_quiet.perplexity}
        points: list[dict[str, float]] = []
        for when, seconds in TIMES.items():
            for chip in range(CHIPS):
                found = score_chip(model, tokens, aimc.aged(seconds), self.seed, chip)
                points.append({"seconds": seconds, "chip": chip} | asdict(found))
                told(len(points), len(TIMES) * CHIPS, f"{when} accuracy {found.accuracy:.4f}")
            for name, key in (("accuracy", when), ("perplexity", f"{when}_perplexity")):
                final[key] = float(np.mean([each[name] for each in points[-CHIPS:]]))
        return Outcome(f"{words.checksum}, {checksum}", points, final)


LANGUAGE = [LanguageAimcTrial(mapping=mapping) for mapping in MAPPINGS]

_last: dict[tuple[int, str, str], LanguageModel] = {}  #: the float network that this process trained last


def _kept(network: Path | None, device: str) -> Path | None:
    """Where a training that is stopped is kept, to go on; on a GPU nowhere, as what is kept is of the CPU's state."""
    return None if network is None or device != "cpu" else network.with_suffix(".checkpoint")


def _float(seed: int, words: Words, told: Told, device: str, network: Path | None) -> LanguageModel:
    """The float network that both mappings begin with."""
    key = seed, words.checksum, device
    if key not in _last:
        kept = _kept(network and network.with_name(f"aimc_{TASK}_float_seed{seed}"), device)
        config = floating_of(seed)
        result = train_words(
            words, config, _progress(told, config), device=device, design=design_of(), checkpoint=kept
        )
        _last.clear()
        _last[key] = result.model
    return _last[key]


def _quantised(
    trial: LanguageAimcTrial, floating: LanguageModel, words: Words, told: Told, device: str, network: Path | None
) -> LanguageModel:
    if trial.mapping == "direct":
        with single_thread(), own_random_numbers(device):
            return begin_words(words, mapped_of(trial.seed), device, design_of(), floating)[0]
    config, kept = hardware_of(trial.seed), _kept(network, device)
    result = train_words(
        words,
        config,
        _progress(told, config),
        device=device,
        design=design_of(),
        checkpoint=kept,
        start=floating,
    )
    return result.model


def _progress(told: Told, config: LanguageConfig):
    def tell(done: int, total: int, perplexity: float) -> None:
        told(done, total, epoch_note(done, total, config.epochs, perplexity))

    return tell
