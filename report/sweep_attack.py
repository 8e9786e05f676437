"""Black-box attacks on MNIST: accuracy in every state, and what noise gives against none, digit by digit."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..train.experiments.mnist_attack import (
    ATTACKS,
    MNIST_ATTACK,
    AttackProtocol,
    AttackTrial,
    digits_shown,
    states_of,
)
from .style import BLUE, GREEN, GREY, ORANGE, RED
from .sweep_deep_noise import STUDENT
from .sweep_results import MISSING, Record, Results, Sweep, finals, spread

ABSTRACT = 0.5  #: points that noise gave an adversarially trained network for MNIST, of Qin and Vucinic's abstract
TRAINING = {False: "plain", True: "adversarial"}
ATTACK_NAMES = {"fgsm": "FGSM", "pgd": "PGD"}
LINES = {"quiet": GREY, "injected10_1": GREEN, "injected0_1": ORANGE, "trained_1": BLUE, "trained_{reads}": RED}
#: states that the plot has


def _metrics(trial: AttackTrial) -> list[str]:
    protocol = trial.protocol()
    numbers = []
    for digits in digits_shown(protocol.attacker):
        for state in states_of(protocol):
            numbers += [f"{digits}_{state}", f"{digits}_{state}_error"][: 1 if state == "quiet" else 2]
    return numbers


def _title(trial: AttackTrial) -> str:
    return f"{trial.label}, {TRAINING[trial.adversarial]}"


def digits_text(digits: str) -> str:
    """``pgd_0.2`` in words."""
    attack, _, epsilon = digits.partition("_")
    return f"{ATTACK_NAMES[attack]} {epsilon}" if epsilon else "as they are"


def state_text(state: str) -> str:
    """``injected10_9`` in words."""
    who, _, count = state.partition("_")
    reads = "" if count in ("", "quiet") else ", 1 read" if count == "1" else f", {count} votes"
    if who == "trained":
        return "trained in noise, " + ("read without" if count == "quiet" else reads[2:])
    return "without noise" if who == "quiet" else f"read at {who.removeprefix('injected')} dB{reads}"


def gain_of(records: list[Record], digits: str, state: str) -> tuple[float, float, float]:
    """Points of accuracy above ``quiet``, and the ends of their 95 % interval.

    Student's over seeds, or where one seed has run the normal one over digits.
    """
    gains = [100 * (record["final"][f"{digits}_{state}"] - record["final"][f"{digits}_quiet"]) for record in records]
    mean, count = float(np.mean(gains)), len(gains)
    if count == 1:
        half = 1.96 * 100 * records[0]["final"][f"{digits}_{state}_error"]
    else:
        half = STUDENT.get(count, 1.96) * float(np.std(gains, ddof=1)) / count**0.5
    return mean, mean - half, mean + half


def _table(results: Results, seeds: int) -> list[str]:
    protocol = MNIST_ATTACK[0].protocol()
    shown, states = digits_shown(protocol.attacker), states_of(protocol)
    lines = ["Accuracy in %, of all test digits:", ""]

    def accuracy(records: list[Record], digits: str, state: str) -> str:
        return spread(finals(records, f"{digits}_{state}", 100), seeds, 1)

    lines += _rows(results, shown, states, accuracy)
    lines += ["", "Points against the same digits without noise, with 95 % intervals:", ""]
    noisy = [state for state in states[1:] if state != "trained_quiet"]
    lines += _rows(results, shown, noisy, _gain_text)
    lines += ["", "Of the attacks, how many does noise make less harmful, and how many more, by these intervals:", ""]
    lines += ["| network | training | " + " | ".join(map(state_text, noisy)) + " |"]
    lines += ["| --- | --- |" + " ---: |" * len(noisy)]
    for trial, records in results.items():
        cells = [_verdict(records, shown[1:], state) for state in noisy]
        lines.append(f"| {trial.label} | {TRAINING[trial.adversarial]} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        f"The abstract has {ABSTRACT} points for an adversarially trained network, without attack and noise by name.",
    ]


def _rows(
    results: Results, shown: list[str], states: list[str], text: Callable[[list[Record], str, str], str]
) -> list[str]:
    lines = ["| network | training | digits | " + " | ".join(map(state_text, states)) + " |"]
    lines += ["| --- | --- | --- |" + " ---: |" * len(states)]
    for trial, records in results.items():
        for digits in shown:
            cells = [text(records, digits, state) if records else MISSING for state in states]
            names = trial.label, TRAINING[trial.adversarial], digits_text(digits)
            lines.append(f"| {' | '.join([*names, *cells])} |")
    return lines


def _gain_text(records: list[Record], digits: str, state: str) -> str:
    mean, low, high = gain_of(records, digits, state)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _verdict(records: list[Record], attacks: list[str], state: str) -> str:
    if not records:
        return MISSING
    ends = [gain_of(records, digits, state)[1:] for digits in attacks]
    less, more = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
    return f"{less} less, {more} more, of {len(ends)}"


def _plots(results: Results) -> dict[str, Figure]:
    figure = Figure(figsize=(3.6 * len(results), 11), layout="constrained")
    panels = figure.subplots(2 * len(ATTACKS), len(results), sharex=True, sharey="row", squeeze=False)
    for column, (trial, records) in enumerate(results.items()):
        for place, attack in enumerate(ATTACKS):
            accuracy, gain = panels[2 * place][column], panels[2 * place + 1][column]
            _accuracies(accuracy, trial.protocol(), records, attack)
            _gains(gain, trial.protocol(), records, attack)
            missing = "" if records else f": {MISSING}"
            accuracy.set_title(f"{ATTACK_NAMES[attack]}: {_title(trial)}{missing}", fontsize="medium")
        panels[-1][column].set_xlabel("epsilon")
    for row, axes in enumerate(panels[:, 0]):
        axes.set_ylabel("points against no noise" if row % 2 else "accuracy in %")
    panels[0][0].legend(fontsize="x-small")
    return {"mnist-attack": figure}


def _lines(protocol: AttackProtocol) -> dict[str, str]:
    return {state.format(reads=protocol.reads): colour for state, colour in LINES.items()}


def _accuracies(axes: Axes, protocol: AttackProtocol, records: list[Record], attack: str) -> None:
    """Means over seeds, from the digits as they are at epsilon 0."""
    epsilons = protocol.attacker.epsilons
    for state, colour in _lines(protocol).items():
        names = ["clean", *(f"{attack}_{epsilon:g}" for epsilon in epsilons)]
        values = [np.mean(finals(records, f"{name}_{state}", 100)) for name in names] if records else []
        label = state_text(state) if records else f"{state_text(state)}: {MISSING}"
        axes.plot([0, *epsilons] if records else [], values, marker=".", color=colour, label=label)
    axes.set_ylim(0, 100)


def _gains(axes: Axes, protocol: AttackProtocol, records: list[Record], attack: str) -> None:
    """With bands, their 95 % intervals."""
    axes.axhline(0, color=GREY, linewidth=0.8)
    for state, colour in _lines(protocol).items():
        if state == "quiet" or not records:
            continue
        names = ["clean", *(f"{attack}_{epsilon:g}" for epsilon in protocol.attacker.epsilons)]
        mean, low, high = np.array([gain_of(records, name, state) for name in names]).T
        places = [0, *protocol.attacker.epsilons]
        axes.plot(places, mean, marker=".", color=colour)
        axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)


ATTACK = Sweep(
    "mnist-attack",
    "MNIST under black-box attack: noise as the defence (after Qin and Vucinic)",
    MNIST_ATTACK,
    _metrics,
    _table,
    _plots,
)
