"""Images in noise as strong as the signals: networks that know it, read again and again, beside one that does not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import nn

from ..calibrate import calibrate
from ..data.images import ImageDataset
from ..layers.config import FLOAT, QuantConfig
from ..layers.noise import Noise
from ..layers.signal import noise_at_snr, signal_power, snr_of
from ..layers.threads import single_thread
from ..layers.whole_model import arrays_of, set_noise
from .image_networks import NETWORKS
from .image_training import Descent, descend, score, voted
from .trial import Outcome, Told

SITE = "sums"  #: of the noise


class ImageTrial(Protocol):
    """What a trial says of its network and noise.

    Noise is Gaussian and on all column sums, the head's too. It is ``snr`` dB below the signals of the network that
    was trained without noise, and stays as it is, in ADC steps, whatever training makes of the signals.
    """

    @property
    def network(self) -> str: ...

    @property
    def bits(self) -> int:
        """Of weights, DACs and ADCs."""
        ...

    @property
    def snr(self) -> float:
        """In dB."""
        ...

    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class ImageProtocol:
    """What decides a trial's run besides its own fields."""

    size: int  #: of :mod:`.image_networks`
    clean: Descent  #: in float, without noise
    quantised: Descent | None  #: then at the trial's bits, still without noise; None in float
    noisy: Descent  #: from there on in noise
    head_bits: int = 8  #: of the head's ADCs, in a quantised network
    measured: int = 1000  #: training digits that ranges and signals are measured on
    reads: tuple[int, ...] = (1, 3, 9, 25, 49)  #: that vote
    naive_reads: tuple[int, ...] = (1, 9)  #: of the network without noise in training


def run_trial_on(trial: ImageTrial, data: ImageDataset, protocol: ImageProtocol, told: Told) -> Outcome:
    """Train without noise and read in noise, then train on in it and read again; by ``protocol``."""
    quick = [protocol.clean, protocol.quantised] if protocol.quantised else [protocol.clean]
    total = sum(each.epochs for each in (*quick, protocol.noisy))
    epochs: list[dict[str, float]] = []

    def tell(epoch: dict[str, float]) -> None:
        epochs.append(epoch)
        told(len(epochs), total, f"loss {epoch['train_loss']:.4f}")

    with single_thread():
        final, model = {}, clean_network(trial, data, protocol, tell)
        some = data.train.values[: protocol.measured]
        final["clean"] = score(model, data.test)
        noise = noise_at_snr(signal_power(model, lambda: model(some)), trial.snr, site=SITE)
        set_noise(model, evaluate=noise, seed=1000 + trial.seed)
        final |= {f"naive_{key}": value for key, value in voted(model, data.test, protocol.naive_reads).items()}
        set_noise(model, seed=trial.seed)
        descend(model, data.train, protocol.noisy, trial.seed + 2, noise, tell)
        set_noise(model, evaluate=Noise())
        final["trained_clean"] = score(model, data.test)
        ratios = snr_of(signal_power(model, lambda: model(some)), noise, site=SITE)
        final |= {"snr_least": min(ratios), "snr_most": max(ratios), "snr_head": ratios[-1]}
        set_noise(model, evaluate=noise, seed=1000 + trial.seed)
        final |= {f"trained_{key}": value for key, value in voted(model, data.test, protocol.reads).items()}
    return Outcome(data.content, epochs, final)


def clean_network(
    trial: ImageTrial, data: ImageDataset, protocol: ImageProtocol, tell: Callable[[dict[str, float]], object]
) -> nn.Module:
    """The trial's network, trained without noise: in float first, and then at its bits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.seed)
        floating = made(trial.network, protocol, FLOAT)
    descend(floating, data.train, protocol.clean, trial.seed, tell=tell)
    if protocol.quantised is None:
        return floating
    model, some = made(trial.network, protocol, trial.bits), data.train.values[: protocol.measured]
    for array, source in zip(arrays_of(model), arrays_of(floating)):
        with torch.no_grad():
            array.cells.copy_(source.cells)
        array.start_ranges()
    for part, source in zip(model.modules(), floating.modules()):
        if isinstance(part, nn.BatchNorm2d):
            part.load_state_dict(source.state_dict())
    calibrate(model, lambda: model(some))
    descend(model, data.train, protocol.quantised, trial.seed + 1, tell=tell)
    return model


def made(network: str, protocol: ImageProtocol, bits: int) -> nn.Module:
    """A new network of ``bits``, with learned ranges of weights and ADCs."""
    if bits == FLOAT:
        config = QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)
        return NETWORKS[network](protocol.size, config, config)
    config = QuantConfig(weight_bits=bits, dac_bits=bits, adc_bits=bits, quantiser="lsq", learn_range=True, leak=0.1)
    return NETWORKS[network](protocol.size, config, replace(config, adc_bits=protocol.head_bits))
