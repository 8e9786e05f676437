"""All experiments that ``ohmgate sweep`` knows; docs/adding.md says how to add one."""

from ..model.formats import check_choice
from .sweep_aimc import aimc_sweeps
from .sweep_asr_ctc import ASR_CTC
from .sweep_asr_hybrid import ASR_HYBRID
from .sweep_asr_rnnt import ASR_RNNT
from .sweep_attack import ATTACK
from .sweep_deep_noise import DEEP_NOISE
from .sweep_images import image_sweeps
from .sweep_paper import paper_sweeps
from .sweep_results import Sweep
from .sweep_strokes_snr import STROKES_SNR

SWEEPS: dict[str, Sweep] = {
    each.name: each
    for each in (
        *paper_sweeps(),
        *image_sweeps(),
        ATTACK,
        STROKES_SNR,
        DEEP_NOISE,
        *aimc_sweeps(),
        ASR_CTC,
        ASR_HYBRID,
        ASR_RNNT,
    )
}


def sweep_of(name: str) -> Sweep:
    """Raises :class:`DesignError`, which names all, for an unknown one."""
    check_choice("experiment", name, tuple(SWEEPS))
    return SWEEPS[name]
