"""The C side: generates ``ohmgate.h`` from the register tables and the image format.

It serves the driver ``ohmgate.c``, a host's numbers in ``ohmgate_host.c``, sequences over the bus in
``ohmgate_run.c``, and the bus over a board's serial line in ``ohmgate_link.c``.

The header is not kept in the source tree, so it cannot disagree with the tables it comes from.
"""

import os
import re
import struct
from importlib import resources
from pathlib import Path

from ..model import link
from ..model.diagnostic_registers import DIAG_ID_VALUE, DIAG_REGISTERS
from ..model.files import write_together
from ..model.layers import HARDWARE_BITS
from ..model.network import MULT_BITS, SHIFT_BITS
from ..model.pulses import PULSE_REGISTERS
from ..model.registers import DATA_ID_VALUE, DATA_REGISTERS, ID_VALUE, REGISTERS, SEQUENCES, VERSION_VALUE
from . import format as image_format
from .format import GAIN_ENTRY, GEOMETRY, HEADER, SECTION, SECTIONS, SIGN, SIGNATURE

#: Every error of the driver, in the order of its number from 0, and what it means.
ERRORS = (
    ("OK", "no error"),
    ("LENGTH", "the image's length is not what its header says"),
    ("MAGIC", "not a programming image"),
    ("FORMAT", "unknown version of the image format"),
    ("CRC", "a CRC-32 does not agree with its content"),
    ("DIGEST", "the SHA-256 does not agree with the content"),
    ("SECTION", "a section is missing, misplaced or of the wrong length"),
    ("GEOMETRY", "a GEOM section holds values that no device has"),
    ("VALUE", "a weight, gain, table entry or filling bit is not legal"),
    ("BUS", "a bus access failed"),
    ("DEVICE", "the device's ID is not that of Ohmgate"),
    ("VERSION", "the device's register table has another major version"),
    ("FINGERPRINT", "the device was built for another design"),
    ("MISMATCH", "the device's layers, geometry or formats differ from the image's"),
    ("REFUSED", "the device is not unlocked, or not enabled after a load"),
    ("TIMEOUT", "the device does not finish programming"),
    ("STATUS", "the device reports a bus error during the load"),
    ("META", "META is not what a packer writes"),
    ("LABELS", "the last layer gives the number of an output, which is no value"),
    ("ROOM", "the caller's array is too short"),
    ("INPUT", "an input is not a number, or no DAC code"),
    ("NO_DATA", "the device has no data registers"),
    ("READ", "the source of the image failed"),
    ("LINK", "no answer comes over the serial line"),
    ("PROTOCOL", "what answers over the serial line speaks another protocol"),
    ("SEAL", "the device's cells were not loaded to the end; load it with its weights"),
    ("UNSIGNED", "the image has no signature, but the driver is locked"),
    ("KEY", "another key than the driver's has signed the image"),
    ("SIGNATURE", "the image was changed after it was signed, or its signature was"),
    ("VERIFIER", "the driver is locked, but has nothing that verifies a signature"),
)

C_FILES = ("ohmgate.c", "ohmgate_host.c", "ohmgate_link.c", "ohmgate_run.c")

_DECLARATIONS = """\
/* Callbacks of the bus: 0 for success. Addresses are in bytes. */
typedef struct {
    void *context;
    int (*read32)(void *context, uint32_t address, uint32_t *value);
    int (*write32)(void *context, uint32_t address, uint32_t value);
} ohmgate_bus;

/* Flags of ohmgate_load. */
#define OHMGATE_KEEP_WEIGHTS 1u /* write gains and tables only: cells keep their levels without power */
#define OHMGATE_FORCE 2u        /* skip the comparisons before the unlocking: the device has to refuse */

/* Reads of STATUS or DATA_STATUS in which nothing happens before OHMGATE_ERROR_TIMEOUT. */
#ifndef OHMGATE_POLLS
#define OHMGATE_POLLS 1000000ul
#endif

/* Checks lengths, CRCs, order and values of an image. META is checked by its CRC only. */
ohmgate_error ohmgate_check(const uint8_t *image, size_t length);

/* As ohmgate_check, and the SHA-256 of the whole. */
ohmgate_error ohmgate_check_digest(const uint8_t *image, size_t length);

/* ohmgate_check, then loads the image over the bus and enables the device. */
ohmgate_error ohmgate_load(const ohmgate_bus *bus, const uint8_t *image, size_t length, unsigned flags);

/* Where an image is read from, as by a microcontroller that cannot hold it: `count` bytes at `offset` into `to`;
 * 0 for success. The content must stay until the load is over. */
typedef struct {
    void *context;
    int (*read)(void *context, uint32_t offset, uint8_t *to, uint32_t count);
} ohmgate_source;

/* Bytes that are asked of a source at most; 32 or more. They are on the stack. */
#ifndef OHMGATE_PIECE
#define OHMGATE_PIECE 256u
#endif
#if OHMGATE_PIECE < 32
#error "OHMGATE_PIECE must be 32 or more"
#endif

/* As ohmgate_load, with the length that the header has; reads the image three times, mostly in order. A locked driver
 * reads it once more, and the signature behind it. */
ohmgate_error ohmgate_load_from(const ohmgate_bus *bus, const ohmgate_source *source, unsigned flags);

/* What a locked driver demands: the Ed25519 signature, 64 bytes, of this key. `verify` is 0 for a right one. */
typedef struct {
    uint8_t key[32];
    void *context;
    int (*verify)(void *context, const uint8_t *message, size_t length, const uint8_t *signature, const uint8_t *key);
} ohmgate_lock;

/* Compiled with OHMGATE_LOCKED, ohmgate_load and ohmgate_load_from take only what this key has signed. */
#ifdef OHMGATE_LOCKED
extern const ohmgate_lock ohmgate_device_lock; /* yours */

/* Has that key signed the image? ohmgate_load asks, too. */
ohmgate_error ohmgate_check_signature(const uint8_t *image, size_t length);

/* A verifier, compiled with OHMGATE_SODIUM for libsodium. */
int ohmgate_verify_sodium(void *context, const uint8_t *message, size_t length, const uint8_t *signature,
                          const uint8_t *key);
#endif

/* What the codes of one output of the last layer stand for: (code + middle) * scale + offset. */
typedef struct {
    double middle, scale, offset;
} ohmgate_output;

/* ohmgate_check, then an entry for each output from META. `room` entries fit; *count becomes how many there are,
 * also for OHMGATE_ERROR_ROOM. In ohmgate_host.c. */
ohmgate_error ohmgate_outputs(const uint8_t *image, size_t length, ohmgate_output *outputs, size_t room,
                              size_t *count);

/* The value of a code, in the units of the image. In ohmgate_host.c. */
double ohmgate_value(const ohmgate_output *output, int32_t code);

/* What a measurement becomes in codes of `bits` bits: measurement * scale + offset, where 1 is the largest code. */
typedef struct {
    double scale, offset;
    uint32_t bits;
} ohmgate_input;

/* ohmgate_check, then an entry for each input from META, as ohmgate_outputs does. In ohmgate_host.c. */
ohmgate_error ohmgate_inputs(const uint8_t *image, size_t length, ohmgate_input *inputs, size_t room, size_t *count);

/* The DAC code of a measurement. OHMGATE_ERROR_INPUT for what is not a number. In ohmgate_host.c. */
ohmgate_error ohmgate_encode(const ohmgate_input *input, double measurement, int32_t *code);

/* The codes of a time step: how many, of how many bits. `symmetric` as DACs take them; `label`: the number of an
 * output. `votes`: sequences for each result, whose codes a head adds up; 1 where it has its own. */
typedef struct {
    uint32_t count, bits;
    int symmetric, label;
    uint32_t votes;
} ohmgate_codes;

/* ohmgate_check, then the codes that go in and come out. In ohmgate_host.c. */
ohmgate_error ohmgate_formats(const uint8_t *image, size_t length, ohmgate_codes *input, ohmgate_codes *output);

/* A device with data registers. */
typedef struct {
    const ohmgate_bus *bus;
    ohmgate_codes input, output;
} ohmgate_device;

/* Compares a loaded device's data registers with the image, and has it used over the bus. In ohmgate_run.c. */
ohmgate_error ohmgate_begin(const ohmgate_bus *bus, const uint8_t *image, size_t length, ohmgate_device *device);

/* Runs one sequence: `steps` (1 or more) times input.count codes; they are sent output.votes times. Results,
 * output.count codes each, go to `results`, where `room` of them fit; *count becomes how many there are. What a
 * sequence before has left in the device, as after an error, is abandoned. In ohmgate_run.c. */
ohmgate_error ohmgate_run(const ohmgate_device *device, const int32_t *codes, size_t steps, int32_t *results,
                          size_t room, size_t *count);

/* A serial line to a board. `send` gives all bytes away, `receive` waits for one until the time is over; 0 for
 * success. */
typedef struct {
    void *context;
    int (*send)(void *context, const uint8_t *bytes, uint32_t count);
    int (*receive)(void *context, uint8_t *byte, uint32_t milliseconds);
} ohmgate_line;

/* How long an answer's next byte may take, and how often a request is sent before OHMGATE_ERROR_LINK. */
#ifndef OHMGATE_LINK_MILLISECONDS
#define OHMGATE_LINK_MILLISECONDS 100u
#endif
#ifndef OHMGATE_LINK_TRIES
#define OHMGATE_LINK_TRIES 50u
#endif

/* A session over a line. `error` tells why an access failed: OHMGATE_ERROR_BUS is the board's word, all others last
 * until the next session. */
typedef struct {
    ohmgate_line line;
    ohmgate_error error;
    uint32_t session, number;
    uint32_t op, address, held, room; /* writes that wait in the frame */
    uint8_t frame[OHMGATE_LINK_BODY_BYTES + 3];
} ohmgate_link;

/* Begins a session. Its number must be another one than the last time. In ohmgate_link.c. */
ohmgate_error ohmgate_link_begin(ohmgate_link *link, const ohmgate_line *line, uint32_t session);

/* The board's registers. Writes to LEVEL and TABLE_DATA wait for more of them until another access, which fails where
 * one of them is refused. In ohmgate_link.c. */
ohmgate_bus ohmgate_link_bus(ohmgate_link *link);

/* Sends the writes that wait. In ohmgate_link.c. */
ohmgate_error ohmgate_link_flush(ohmgate_link *link);

/* zlib's CRC-32 of bytes behind those of CRC-32 `crc`, 0 for none. */
uint32_t ohmgate_crc32(uint32_t crc, const uint8_t *bytes, size_t length);

/* "OK", "CRC", ...; never null. */
const char *ohmgate_error_name(ohmgate_error error);
"""


def header() -> str:
    """The text of ``ohmgate.h``."""
    parts = [
        "/* Ohmgate: registers, programming image and driver. Generated; do not edit.\n"
        " * C99. Little-endian 32-bit registers at byte addresses; the image is read byte by byte. */\n"
        "#ifndef OHMGATE_H\n#define OHMGATE_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
        _registers(),
        _image(),
        _link(),
        _errors(),
        _DECLARATIONS,
        "#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
    ]
    return "\n".join(parts)


def sources() -> dict[str, str]:
    """The text of ``ohmgate.h`` and of the C files by their names."""
    folder = resources.files("ohmgate.firmware")
    written = {name: (folder / name).read_text(encoding="ascii") for name in C_FILES}
    return {"ohmgate.h": header(), **written}


def write(folder: str | os.PathLike[str]) -> list[Path]:
    """Write the header and the sources into ``folder``; returns their paths."""
    return write_together(folder, sources())


def _define(name: str, value: int, comment: str = "", style: str = "d") -> str:
    text = {"d": f"{value}u", "x": f"0x{value:08X}u", "a": f"0x{value:02X}u"}[style]
    return f"#define OHMGATE_{name} {text}" + (f" /* {comment} */" if comment else "")


def _registers() -> str:
    lines = [
        "/* Registers. */",
        _define("ID_VALUE", ID_VALUE, style="x"),
        _define("VERSION_VALUE", VERSION_VALUE, style="x"),
        _define("DATA_ID_VALUE", DATA_ID_VALUE, style="x"),
        _define("DIAG_ID_VALUE", DIAG_ID_VALUE, style="x"),
    ]
    for register in (*REGISTERS, SEQUENCES, *DATA_REGISTERS, *DIAG_REGISTERS, *PULSE_REGISTERS):
        lines.append(_define(f"REG_{register.name}", register.address, f"{register.access}: {register.doc}", "a"))
        for field in register.fields:
            name = f"{register.name}_{field.name}"
            lines += [_define(f"{name}_MASK", field.mask, field.doc, "x"), _define(f"{name}_SHIFT", field.lsb)]
    return "\n".join(lines) + "\n"


def _image() -> str:
    lines = [
        "/* Programming image. */",
        f"#define OHMGATE_IMAGE_MAGIC {_c_string(image_format.MAGIC)}",
        _define("IMAGE_VERSION", max(image_format.FORMAT_VERSIONS)),
        _define("IMAGE_CRC_BYTES", image_format.CRC_BYTES),
        _define("IMAGE_DIGEST_BYTES", image_format.DIGEST_BYTES),
        _define("IMAGE_NO_LAYER", image_format.NO_LAYER, style="x"),
        _define("IMAGE_COLUMN_ORDER", image_format.COLUMN_ORDER),
        _define("IMAGE_MAX_BITS", HARDWARE_BITS),
        _define("IMAGE_MULT_MAX", 2**MULT_BITS - 1),
        _define("IMAGE_SHIFT_MAX", 2**SHIFT_BITS - 1),
    ]
    for tag, doc in {**SECTIONS, SIGN: "behind a signed image"}.items():
        lines.append(_define(f"IMAGE_TAG_{tag.decode()}", int.from_bytes(tag, "little"), doc, "x"))
    for record in (HEADER, SECTION, GEOMETRY, GAIN_ENTRY, SIGNATURE):
        lines.append(_define(f"IMAGE_{record.name}_BYTES", record.size))
        for name, offset, size, doc in record.layout():
            lines.append(_define(f"IMAGE_{record.name}_{name.upper()}", offset, f"{8 * size} bits: {doc}"))
    return "\n".join(lines) + "\n"


def _link() -> str:
    lines = [
        "/* Serial link of a board. */",
        f"#define OHMGATE_LINK_MAGIC {_c_string(link.MAGIC)}",
        _define("LINK_PROTOCOL", link.PROTOCOL),
        _define("LINK_PAYLOAD_BYTES", link.PAYLOAD_BYTES, "at most"),
        _define("LINK_BODY_BYTES", link.BODY_BYTES, "at most"),
        _define("LINK_CRC_BYTES", link.CRC_BYTES),
        _define("LINK_ANSWER", link.ANSWER, "more than the op, in an answer", "a"),
    ]
    lines += [_define(f"LINK_{op.name}", op, style="a") for op in link.Op]
    lines += [_define(f"LINK_STATUS_{status.name}", status) for status in link.Status]
    for name, record, fields in (("HEADER", link.HEADER, link.FIELDS), ("INFO", link.INFO, link.Info._fields)):
        lines.append(_define(f"LINK_{name}_BYTES", record.size))
        formats = re.findall(r"\d*[a-zA-Z]", record.format)
        for index, field in enumerate(fields):
            offset = struct.calcsize("<" + "".join(formats[:index]))
            lines.append(_define(f"LINK_{name}_{field.upper()}", offset))
    return "\n".join(lines) + "\n"


def _errors() -> str:
    lines = ["/* Results of the driver. */", "typedef enum {"]
    lines += [
        f"    OHMGATE_{'' if name == 'OK' else 'ERROR_'}{name} = {k}, /* {doc} */"
        for k, (name, doc) in enumerate(ERRORS)
    ]
    lines += [f"    OHMGATE_ERRORS = {len(ERRORS)}", "} ohmgate_error;", ""]
    lines += ["#define OHMGATE_ERROR_NAMES \\"]
    names = ", ".join(f'"{name}"' for name, _ in ERRORS)
    lines += [f"    {{ {names} }}"]
    return "\n".join(lines) + "\n"


def _c_string(text: bytes) -> str:
    return '"' + text.decode("ascii").replace("\n", "\\n") + '"'
