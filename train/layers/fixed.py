"""What a module was made with cannot be assigned later, for its arrays have been made with it."""

from typing import ClassVar

from ...model.formats import DesignError


class Fixed:
    """Refuses another value for an attribute in ``FIXED``, once it has one."""

    FIXED: ClassVar[frozenset[str]] = frozenset()

    def __setattr__(self, name: str, value) -> None:
        if name in self.FIXED and self.__dict__.get(name, value) != value:
            raise DesignError(
                f"{name} of a {type(self).__name__} must stay {self.__dict__[name]!r}, with which it was made, "
                f"not become {value!r}"
            )
        super().__setattr__(name, value)
