"""The base of every component, with ports that a type checker cannot see: they are made from a signature."""

from typing import TYPE_CHECKING, Any

from amaranth.lib import wiring

if TYPE_CHECKING:

    class Component(wiring.Component[wiring.Signature]):
        def __getattr__(self, name: str) -> Any: ...

else:
    Component = wiring.Component
