"""LSTM accelerators around non-volatile memory arrays, with the same integers from training to silicon.

The folders of this package are links to the folders of the same names beside it. The names below are what a
notebook begins with; each is loaded when it is first asked for (``__init__.pyi`` says where it lives).
"""

from importlib import metadata

import lazy_loader

__version__ = metadata.version(__name__)
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
