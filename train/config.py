"""Everything that decides a training besides design and data."""

from dataclasses import asdict, dataclass, field, fields

from ..model.formats import DesignError, check_boolean, check_choice, check_integer, check_number
from ..model.records import from_table, store
from .layers.curve import check_curve
from .layers.noise import SITES, Noise, below, check_noise
from .layers.quantisers import QUANTISERS

LATER = (
    "range_noise",
    "forget_bias",
    "learn_tables",
    "forget_ceiling",
    "float_epochs",
    "noise_ramp",
    "validation",
    "patience",
    "keep",
    "class_weights",
    "input_range",
    "leak",
    "curve",
    "noiseless",
    "snr",
    "snr_site",
    "snr_power",
    "weight_clip",
    "learn_input",
    "distil",
    "distil_temperature",
)  #: fields of a configuration that runs of before do not have
POWERS = ("fixed", "relative")
KEEPS, CLASS_WEIGHTS, INPUT_RANGES = ("last", "best"), ("none", "balanced"), ("deviations", "error")
INTEGERS = (
    ("seed", 0, 2**31 - 1),
    ("epochs", 1, 100000),
    ("batch", 1, 100000),
    ("patience", 0, 100000),
)  #: names, lowest, highest
NUMBERS = (
    ("learning_rate", 0, 10),
    ("label_smoothing", 0, 0.9),
    ("input_noise", 0, 100),
    ("clip_norm", 1e-6, 1e6),
    ("deviations", 0.1, 100),
    ("forget_bias", 0, 16),
    ("range_noise", 0, 1000),
    ("float_epochs", 0, 0.99),
    ("noise_ramp", 0, 1),
    ("validation", 0, 0.9),
    ("leak", 0, 1),
    ("noiseless", 0, 1),
    ("weight_clip", 0, 1000),
    ("distil", 0, 1),
    ("distil_temperature", 0.1, 100),
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a run besides design and data; :mod:`.recipe` has the choices for a data set."""

    seed: int = 0
    floating: bool = False  #: the same network without quantisation: the baseline
    epochs: int = 60
    batch: int = 54
    learning_rate: float = 0.02  #: highest, of a linear rise over a fifth of the steps and a cosine fall
    label_smoothing: float = 0.1
    input_noise: float = 0.4  #: standard deviation added to inputs scaled to -1..1, in training
    clip_norm: float = 1.0  #: of the gradient
    deviations: float = 2.5  #: standard deviations of a channel that span half the DAC's range
    input_range: str = "deviations"  #: or "error": the range of each channel whose DAC codes have the least error
    forget_bias: float = 1.0  #: of a new network's forget gates
    leak: float = 0.0  #: share of its gradient that a clipped conversion passes, where that leads back into the range
    fast: bool = False  #: train with the C++ kernel; same codes, gradients equal to rounding
    quantiser: str = "absmax"  #: of weights
    range_noise: float = 0.0  #: weight noise that a ``sawb`` range reckons with
    per_gate: bool = False  #: a weight range for each gate
    learn_range: bool = False  #: train ADC ranges, too
    learn_input: bool = False  #: train the range of the first layer's DACs, too
    learn_tables: bool = False  #: train the entries of gate tables, too
    forget_ceiling: bool = False  #: start with the largest entry at the end of the forget gate's table
    float_epochs: float = 0.0  #: share of the epochs that are trained in float, before the others quantised
    noise_ramp: float = 0.0  #: share of the epochs, then, in which the noise of training grows to its size
    validation: float = 0.0  #: share of the training set that is held back to judge every epoch by; 0: none
    patience: int = 0  #: quantised epochs without a better one after which the training stops; 0: never
    keep: str = "last"  #: which epoch's weights count: the last one's, or the best one's, as ever with patience
    class_weights: str = "none"  #: in the loss; ``balanced``: all classes weigh the same, however many sequences
    curve: float = 0.0  #: read voltage over V0 of nonlinear cells that are trained for; 0: linear ones
    #: after every step weights are clipped to so many root mean squares of their array; 0: not
    weight_clip: float = 0.0
    #: share of the loss that is the distance to what the start says, a float network; 0: none
    distil: float = 0.0
    distil_temperature: float = 2.0  #: by which both networks' outputs are divided there
    train_noise: Noise = field(default_factory=Noise)
    eval_noise: Noise = field(default_factory=Noise)
    noiseless: float = 0.0  #: share of the batches that are trained without noise, for an array that may be quiet
    #: in dB: trained with noise so far below the signals of every array (:mod:`.layers.signal`); None: without
    snr: float | None = None
    snr_site: str = "sums"  #: where that noise is added: "rows" or "sums"
    #: "fixed": of the signals of the network that the run starts from; "relative": measured anew before every epoch
    snr_power: str = "fixed"

    def __post_init__(self) -> None:
        for name, low, high in INTEGERS:
            store(self, name, check_integer(name, getattr(self, name), low, high))
        for name, low, high in NUMBERS:
            store(self, name, check_number(name.replace("_", " "), getattr(self, name), low, high))
        store(self, "curve", check_curve(self.curve))
        for name in ("floating", "fast", "per_gate", "learn_range", "learn_input", "learn_tables", "forget_ceiling"):
            check_boolean(name.replace("_", " "), getattr(self, name))
        check_choice("weight quantiser", self.quantiser, QUANTISERS)
        check_choice("keep", self.keep, KEEPS)
        check_choice("class weights", self.class_weights, CLASS_WEIGHTS)
        check_choice("input range", self.input_range, INPUT_RANGES)
        for noise in (self.train_noise, self.eval_noise):
            check_noise(noise)
        self._check_snr()
        if self.noise_ramp and self.float_epochs + self.noise_ramp > 1 + 1e-9:
            raise DesignError(
                f"float epochs and noise ramp must be at most 1 together, not {self.float_epochs + self.noise_ramp:g}"
            )
        if self.keeps_best and not self.validation:
            raise DesignError("validation must be above 0 where a run stops early or keeps its best epoch, not 0.0")

    def _check_snr(self) -> None:
        check_choice("site of noise", self.snr_site, SITES)
        check_choice("power of noise", self.snr_power, POWERS)
        if self.snr is None:
            return
        below(self.snr)
        store(self, "snr", float(self.snr))
        if self.train_noise != Noise() or self.float_epochs or self.noise_ramp:
            raise DesignError("a training at an SNR must have no other noise, no noise ramp and no float epochs")

    @property
    def keeps_best(self) -> bool:
        """Does the best epoch count?"""
        return self.patience > 0 or self.keep == "best"

    @property
    def floats(self) -> int:
        """Epochs that a quantised run trains in float, fewer than all."""
        return 0 if self.floating else int(self.float_epochs * self.epochs + 1e-9)

    def noise_at(self, done: float) -> Noise:
        """Noise of training after ``done`` (0..1) of a run; drop-connect does not grow."""
        since = done - self.floats / self.epochs
        if since >= self.noise_ramp:
            return self.train_noise
        return self.train_noise.scaled(max(since, 0.0) / self.noise_ramp)

    def to_dict(self) -> dict:
        """What checkpoints and run folders know a run by; fields that came later are left out at their default."""
        usual = {field.name: field.default for field in fields(self)}
        content = asdict(self) | {name: getattr(self, name).to_dict() for name in ("train_noise", "eval_noise")}
        return {name: value for name, value in content.items() if name not in LATER or value != usual[name]}

    @classmethod
    def from_dict(cls, content: dict) -> "TrainConfig":
        """The inverse of :meth:`to_dict` and of :func:`dataclasses.asdict`."""
        return from_table(cls, content, "configuration", "a training")
