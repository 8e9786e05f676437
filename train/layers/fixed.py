"""What a module was made with cannot be assigned later, for its arrays have been made with it."""

import re
from typing import ClassVar

import torch

from ...model.formats import DesignError
from .read_only import refuse


class Fixed:
    """Refuses another value for an attribute in ``FIXED``, once it has one, and any for one that ``VIEWS`` names."""

    FIXED: ClassVar[frozenset[str]] = frozenset()
    VIEWS: ClassVar[str] = "(?!)"  #: pattern of attributes that are computed (:mod:`.read_only`)

    def __setattr__(self, name: str, value) -> None:
        if re.fullmatch(self.VIEWS, name):
            refuse(name)
        if name in self.FIXED and name in self.__dict__:
            was = self.__dict__[name]
            if value is not was and (isinstance(value, torch.Tensor) or value != was):
                kind = type(self).__name__
                raise DesignError(
                    f"{name} of a {kind} must stay {was!r}, with which it was made, not become {value!r}"
                )
        super().__setattr__(name, value)
