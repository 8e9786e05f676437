"""``asr-hybrid``: as ``asr-ctc``, of networks that learn the symbol of every step."""

from ..train.experiments.asr_hybrid import TRIALS
from .sweep_asr_ctc import METRICS, plot, rows
from .sweep_results import Results, Sweep


def _table(results: Results, seeds: int) -> list[str]:
    return [
        *rows(results, seeds),
        "",
        "Trained on the symbol of every step, as a network by CTC has aligned it. Error rates in % of the ten test",
        "speakers, by a hidden Markov model of characters, without a lexicon. Intervals are by a paired bootstrap of",
        "the speakers, all seeds together.",
    ]


ASR_HYBRID = Sweep(
    "asr-hybrid",
    "AN4 by frame targets: float, 4 bits naively, 4 bits trained",
    TRIALS,
    lambda trial: METRICS,
    _table,
    lambda results: {"asr-hybrid": plot(results)},
)
