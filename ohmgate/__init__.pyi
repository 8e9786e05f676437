from .analog.array import Array as Array
from .analog.config import ArrayConfig as ArrayConfig
from .analog.inference import accuracy_draws as accuracy_draws
from .model.design import Design as Design
from .model.formats import DesignError as DesignError
from .model.network import Network as Network
from .train.calibrate import calibrate as calibrate
from .train.convert import convert as convert
from .train.export.description import export as export
from .train.export.verify import verify as verify
from .train.export.verify import verify_export as verify_export
from .train.imports.keras_model import import_keras as import_keras
from .train.imports.onnx_file import import_onnx as import_onnx
from .train.layers.config import QuantConfig as QuantConfig
from .train.layers.conv import QuantConv2d as QuantConv2d
from .train.layers.modules import QuantLinear as QuantLinear
from .train.layers.modules import QuantLSTM as QuantLSTM
from .train.layers.modules import QuantRNN as QuantRNN
from .train.layers.noise import Noise as Noise
from .train.layers.whole_model import set_noise as set_noise

__version__: str
