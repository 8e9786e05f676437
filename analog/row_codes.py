"""DAC codes on the rows of an array: are they legal?"""

import numpy as np

from ..model.formats import DesignError


def check_drive(drive, top: np.ndarray) -> np.ndarray:
    """``drive`` (rows,) or (B, rows) as an array. Raises :class:`DesignError` for codes beyond ``top`` (rows,)."""
    drive = np.asarray(drive)
    if drive.ndim not in (1, 2) or drive.shape[-1] != len(top) or drive.dtype.kind not in "iu":
        raise DesignError(f"drive must be integers of shape (batch, {len(top)}), not {drive.dtype} of {drive.shape}")
    beyond = np.abs(drive) - top
    if drive.size and beyond.max() > 0:
        most = top[beyond.argmax() % len(top)]
        raise DesignError(f"drive must be from {-most} to {most}, not {int(drive.flat[beyond.argmax()])}")
    return drive
