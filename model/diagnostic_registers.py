"""The registers of a design with diagnostics: any row codes, one conversion, its codes; trims and spare columns."""

from .layers import Layer
from .register import Field, Register, flag

DIAG_ID_VALUE = 0x44494147  #: "DIAG"
DIAG_BASE = 0x100  #: first address of the diagnostic registers, of a design that has them
DIAG_ADDRESS_BITS = 8  #: of byte addresses from DIAG_BASE
DIAG_REGISTERS = (
    Register("DIAG_ID", 0x100, "ro", "0x44494147, 'DIAG'."),
    Register(
        "DIAG_SIZE",
        0x104,
        "ro",
        "Conversions of the selected layer.",
        (Field("STEPS", 0, 16, "M, columns of an ADC."), Field("WORDS", 16, 16, "ceil(K * N / 32), of the codes.")),
    ),
    Register(
        "DIAG_ADCS",
        0x108,
        "ro",
        "ADCs of the selected layer.",
        (Field("ADCS", 0, 16, "K."), Field("SPARES", 16, 8, "S, spare columns of each.")),
    ),
    Register(
        "DIAG_CONTROL",
        0x10C,
        "rw",
        "Who drives the rows. Writes are refused while DIAG_STATUS.CONVERTING. CONTROL.RESET and locks clear ACTIVE.",
        (
            flag(
                "ACTIVE",
                0,
                "1: the rows of all arrays have the codes of DIAG_CODE, and CONTROL.ENABLE is refused. Setting it is "
                "refused while locked, enabled or busy.",
            ),
            flag("BIAS", 1, "1: bias rows are at full scale, as when time steps are computed; 0: they are at 0 V."),
            flag("ADVANCE", 2, "1: reading the last word of a step's codes begins the conversion of the next step."),
            flag("CLEAR", 3, "Write 1: all codes of DIAG_CODE become 0. Reads as 0."),
        ),
    ),
    Register(
        "DIAG_STATUS",
        0x110,
        "ro",
        "State of the last conversion.",
        (
            flag("CONVERTING", 0, "It is under way; STATUS.BUSY is set, too."),
            flag("VALID", 1, "Its codes are in DIAG_RESULT."),
        ),
    ),
    Register("DIAG_ROW", 0x114, "rw", "Row whose code the next DIAG_CODE sets. Writes are refused unless ACTIVE."),
    Register(
        "DIAG_CODE",
        0x118,
        "wo",
        "Sets the DAC code (bit pattern) of DIAG_ROW, then advances to the next row. Layers share the codes. Refused "
        "unless ACTIVE, while CONVERTING, and for a row that the selected layer does not have or that is a bias row.",
    ),
    Register(
        "DIAG_CONVERT",
        0x11C,
        "wo",
        "Begins a conversion of the selected layer. Refused unless ACTIVE, while CONVERTING or STATUS.PROGRAMMING, "
        "and for a step that the layer does not have.",
        (Field("STEP", 0, 16, "Column of each ADC, 0..M-1."),),
    ),
    Register(
        "DIAG_RESULT",
        0x120,
        "ro",
        "The next word of the conversion's ADC codes: N bits each, two's complement, that of ADC 0 in the lowest "
        "bits of the first word. The bus waits while CONVERTING. After the last word comes the first again, or with "
        "ADVANCE the first of the next step, unless that was the layer's last. Refused where no codes are there or "
        "coming.",
    ),
    Register(
        "DIAG_ADJUST_AT",
        0x124,
        "rw",
        "What the next DIAG_ADJUST sets. Writes are refused unless ACTIVE.",
        (Field("ADC", 0, 16, "0..K-1."), Field("WHAT", 16, 8, "0: offset trim; 1: gain trim; 2 + s: spare s.")),
    ),
    Register(
        "DIAG_ADJUST",
        0x128,
        "wo",
        "Sets it in the macro, which forgets it with a reset of the chip, then advances to the next ADC. Refused "
        "unless ACTIVE, while CONVERTING, and for what the selected layer does not have.",
        (
            Field(
                "VALUE",
                0,
                16,
                "Of a trim, its steps: 8 bits, two's complement. Of a spare, the step in which it is read in place "
                "of its ADC's own column; 0xFFFF: none.",
            ),
        ),
    ),
)
ADJUST_OFFSET, ADJUST_GAIN, ADJUST_SPARE = 0, 1, 2  #: values of WHAT; the last is that of spare 0
NO_STEP = 0xFFFF  #: step of a spare that is not read


def code_words(layer: Layer) -> int:
    """Words of a conversion's codes in DIAG_RESULT."""
    return -(-layer.adcs * layer.adc_bits // 32)
