"""What draws of chips come to: mean, spread and intervals of their scores, and of what votes are right."""

from dataclasses import dataclass, replace

import numpy as np

from ...model.metrics import ACCURACY, VOTES, Metric
from .draws_file import Draw
from .intervals import over_chips, over_sequences


@dataclass(frozen=True)
class Summary:
    """Of the scores over draws; both intervals are 95 % ones of the mean (:mod:`.intervals`)."""

    draws: int
    mean: float
    deviation: float
    interval: tuple[float, float]  #: over chips
    others: tuple[float, float] | None  #: over other test sequences, too; None where nothing is known of them
    quantiles: tuple[float, float, float, float, float]  #: 0, 5, 50, 95, 100 %
    code_errors: tuple[float, ...]  #: means, by layer
    scores: tuple[float, ...]  #: of each chip, in the order of their numbers
    chip_errors: tuple[float, ...]  #: share of each chip's codes that differ, the mean of its layers

    def text(self, metric: Metric = ACCURACY) -> str:
        """A paragraph for a terminal or a report."""
        said = metric.text
        low, high = map(said, self.interval)
        others = ", {} to {} with other test sequences".format(*map(said, self.others)) if self.others else ""
        worst, bad, median, best = map(said, self.worst_to_best(metric))
        layers = ", ".join(f"{share:.2%}" for share in self.code_errors)
        share = 95 if metric.less_is_better else 5
        return (
            f"{metric.name} {said(self.mean)} (95 % interval {low} to {high}{others}, standard deviation "
            f"{said(self.deviation)}) over {self.draws} chips; worst {worst}, {share} % quantile {bad}, "
            f"median {median}, best {best}; codes that differ, by layer: {layers}"
        )

    def worst_to_best(self, metric: Metric) -> tuple[float, float, float, float]:
        """The worst chip's score, that which 5 % of the chips are worse than, the median, the best chip's."""
        worst, fifth, median, last_fifth, best = self.quantiles
        return (best, last_fifth, median, worst) if metric.less_is_better else (worst, fifth, median, best)


def summary(draws: list[Draw], sequences: int = 0) -> Summary:
    """Mean, spread and intervals; ``sequences`` is how many the accuracies are of, 0 for other scores."""
    scores = np.array([draw.score for draw in draws])
    lowest, fifth, median, last_fifth, highest = (float(q) for q in np.quantile(scores, [0, 0.05, 0.5, 0.95, 1]))
    return Summary(
        draws=len(scores),
        mean=float(scores.mean()),
        deviation=float(scores.std(ddof=1)) if len(scores) > 1 else 0.0,
        interval=over_chips(scores),
        others=over_sequences(scores, sequences) if sequences else None,
        quantiles=(lowest, fifth, median, last_fifth, highest),
        code_errors=tuple(float(e) for e in np.mean([draw.code_errors for draw in draws], axis=0)),
        scores=tuple(draw.score for draw in draws),
        chip_errors=tuple(float(np.mean(draw.code_errors)) for draw in draws),
    )


def vote_summaries(draws: list[Draw], sequences: int = 0) -> dict[str, Summary]:
    """The :func:`summary` of what votes are right, by the rule of the vote; none where nothing voted."""
    return {
        how: summary([replace(draw, score=draw.votes[k]) for draw in draws], sequences)
        for k, how in enumerate(VOTES if draws[0].votes else ())
    }
