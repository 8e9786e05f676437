"""Everything that decides a language model and its training besides the data."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ...model.formats import DesignError, check_boolean, check_integer, check_number
from ...model.records import store
from ..layers.config import QuantConfig, check_config
from ..layers.noise import Noise, check_noise

LATER = ("noise_ramp", "weight_clip", "distil")


@dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """Everything that decides a run besides the data. An epoch of names is ``epoch_steps`` iterations."""

    quant: QuantConfig
    seed: int = 0
    hidden: int = 256
    embedding: int = 0  #: width of a learned embedding; 0: one-hot inputs
    epochs: int = 8
    epoch_steps: int = 1000  #: of names; words take one pass over the text
    batch: int = 32
    window: int = 32  #: steps of truncated backpropagation
    start_every: int = 0  #: windows of words after which the state starts at zero again; 0: with an epoch alone
    learning_rate: float = 0.004  #: of Adam: highest, falls to 0 by a cosine
    clip_norm: float = 1.0
    dropout: float = 0.0  #: of the LSTM's outputs and, with ``drop_rows``, of its inputs
    drop_rows: bool = True  #: a dropped input's row is not driven
    cutoffs: tuple[int, ...] = ()  #: of an adaptive softmax (Grave et al., 2017); none: a plain one
    noise: Noise = field(default_factory=Noise)  #: in training and in evaluation
    noise_ramp: float = 0.0  #: share of the epochs in which the noise of training grows to its size
    #: after every step weights are clipped to so many root mean squares of their array; 0: not
    weight_clip: float = 0.0
    #: share of the loss that is the distance to what the start says, a float model; 0: none
    distil: float = 0.0

    def __post_init__(self) -> None:
        for name, high in (("hidden", 4096), ("epochs", 10**5), ("epoch_steps", 10**7), ("batch", 10**5)):
            store(self, name, check_integer(name.replace("_", " "), getattr(self, name), 1, high))
        store(self, "window", check_integer("window", self.window, 1, 10**4))
        store(self, "seed", check_integer("seed", self.seed, 0, 2**31 - 1))
        store(self, "start_every", check_integer("windows between starts", self.start_every, 0, 10**6))
        store(self, "embedding", check_integer("embedding", self.embedding, 0, 4096))
        check_boolean("dropping of rows", self.drop_rows)
        check_noise(self.noise)
        if check_config(self.quant) is None:
            raise DesignError("a language model must have a QuantConfig, but has none")
        for name, high in (
            ("learning_rate", 10),
            ("clip_norm", 10**6),
            ("dropout", 0.9),
            ("noise_ramp", 1),
            ("weight_clip", 1000),
            ("distil", 1),
        ):
            store(self, name, check_number(name.replace("_", " "), getattr(self, name), 0, high))

    def to_dict(self) -> dict[str, Any]:
        """What files and run folders know a run by; fields that came later are left out where they are 0."""
        content = asdict(self) | {"noise": self.noise.to_dict()}
        return {name: value for name, value in content.items() if name not in LATER or value}

    def noise_at(self, done: float) -> Noise:
        """Noise of training after ``done`` (0..1) of a run; drop-connect does not grow."""
        return self.noise if done >= self.noise_ramp else self.noise.scaled(done / self.noise_ramp)
