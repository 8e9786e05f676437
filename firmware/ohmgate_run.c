/* Ohmgate: runs sequences over the register bus, on a device with data registers. C99, no allocation. */
#include "ohmgate.h"

static ohmgate_error get(const ohmgate_bus *bus, uint32_t address, uint32_t *value)
{
    return bus->read32(bus->context, address, value) == 0 ? OHMGATE_OK : OHMGATE_ERROR_BUS;
}

static ohmgate_error put(const ohmgate_bus *bus, uint32_t address, uint32_t value)
{
    return bus->write32(bus->context, address, value) == 0 ? OHMGATE_OK : OHMGATE_ERROR_BUS;
}

static uint32_t words(const ohmgate_codes *codes)
{
    return (codes->count * codes->bits + 31u) / 32u;
}

ohmgate_error ohmgate_begin(const ohmgate_bus *bus, const uint8_t *image, size_t length, ohmgate_device *device)
{
    uint32_t value = 0;
    ohmgate_error error = ohmgate_formats(image, length, &device->input, &device->output);

    if (error == OHMGATE_OK)
        error = get(bus, OHMGATE_REG_DATA_ID, &value);
    if (error == OHMGATE_OK && value != OHMGATE_DATA_ID_VALUE)
        error = OHMGATE_ERROR_NO_DATA;
    if (error == OHMGATE_OK)
        error = get(bus, OHMGATE_REG_DATA_SIZE, &value);
    if (error == OHMGATE_OK && value != (words(&device->input) << OHMGATE_DATA_SIZE_INPUT_WORDS_SHIFT |
                                         words(&device->output) << OHMGATE_DATA_SIZE_RESULT_WORDS_SHIFT))
        error = OHMGATE_ERROR_MISMATCH;
    device->bus = bus;
    return error == OHMGATE_OK ? put(bus, OHMGATE_REG_DATA_CONTROL, OHMGATE_DATA_CONTROL_BY_BUS_MASK) : error;
}

/* The bit pattern of a DAC code; with one bit, 0 stands for 1 and 1 for -1. */
static int pattern(const ohmgate_codes *codes, int32_t code, uint32_t *bits)
{
    int32_t top = codes->bits == 1 ? 1 : (int32_t)((1u << (codes->bits - 1u)) - 1u);

    if (code > top || code < -top || (codes->bits == 1 && code == 0))
        return 0;
    *bits = codes->bits == 1 ? (uint32_t)(code < 0) : (uint32_t)code & ((1u << codes->bits) - 1u);
    return 1;
}

static ohmgate_error push(const ohmgate_device *device, const int32_t *codes, uint32_t marks)
{
    uint64_t gathered = 0;
    uint32_t k, bits = 0, held = 0;
    ohmgate_error error = OHMGATE_OK;

    for (k = 0; error == OHMGATE_OK && k < device->input.count; k++) {
        pattern(&device->input, codes[k], &bits);
        gathered |= (uint64_t)bits << held;
        held += device->input.bits;
        if (held >= 32u || k + 1u == device->input.count) {
            error = put(device->bus, OHMGATE_REG_INPUT, (uint32_t)gathered);
            gathered >>= 32;
            held = held >= 32u ? held - 32u : 0;
        }
    }
    if (error == OHMGATE_OK && held) /* the last code reaches into another word */
        error = put(device->bus, OHMGATE_REG_INPUT, (uint32_t)gathered);
    return error == OHMGATE_OK ? put(device->bus, OHMGATE_REG_INPUT_PUSH, marks) : error;
}

static ohmgate_error pull(const ohmgate_device *device, int32_t *results)
{
    const ohmgate_codes *codes = &device->output;
    uint64_t gathered = 0;
    uint32_t k, word, bits, held = 0;
    ohmgate_error error;

    for (k = 0; k < codes->count; k++) {
        if (held < codes->bits) {
            if ((error = get(device->bus, OHMGATE_REG_RESULT, &word)) != OHMGATE_OK)
                return error;
            gathered |= (uint64_t)word << held;
            held += 32u;
        }
        bits = (uint32_t)(gathered & ((1u << codes->bits) - 1u));
        gathered >>= codes->bits;
        held -= codes->bits;
        if (codes->symmetric && codes->bits == 1)
            results[k] = 1 - 2 * (int32_t)bits;
        else
            results[k] = (int32_t)bits - (codes->label || !(bits >> (codes->bits - 1u)) ? 0 : (int32_t)(1u << codes->bits));
    }
    return put(device->bus, OHMGATE_REG_RESULT_TAKE, 0);
}

/* Are all codes legal, and has a load enabled the device? Then what an interrupted sequence has left in it is abandoned. */
static ohmgate_error prepare(const ohmgate_device *device, const int32_t *codes, size_t steps)
{
    uint32_t bits, status = 0, control = 0;
    ohmgate_error error;
    size_t k;

    for (k = 0; k < steps * device->input.count; k++)
        if (!pattern(&device->input, codes[k], &bits))
            return OHMGATE_ERROR_INPUT;
    if ((error = get(device->bus, OHMGATE_REG_STATUS, &status)) != OHMGATE_OK)
        return error;
    if (!(status & OHMGATE_STATUS_UNLOCKED_MASK))
        return OHMGATE_ERROR_REFUSED;
    if (!(status & OHMGATE_STATUS_SEALED_MASK))
        return OHMGATE_ERROR_SEAL;
    if ((error = get(device->bus, OHMGATE_REG_CONTROL, &control)) != OHMGATE_OK)
        return error;
    if (!(control & OHMGATE_CONTROL_ENABLE_MASK)) /* a load ended before its end */
        return OHMGATE_ERROR_REFUSED;
    return put(device->bus, OHMGATE_REG_CONTROL, OHMGATE_CONTROL_ENABLE_MASK | OHMGATE_CONTROL_RESET_MASK);
}

ohmgate_error ohmgate_run(const ohmgate_device *device, const int32_t *codes, size_t steps, int32_t *results,
                          size_t room, size_t *count)
{
    unsigned long polls;
    uint32_t status, marks;
    size_t step = 0, sent = 0; /* of the sequence, and how often it was sent */
    ohmgate_error error = prepare(device, codes, steps);

    *count = 0;
    for (polls = 0; error == OHMGATE_OK && polls < OHMGATE_POLLS; polls++) {
        if ((error = get(device->bus, OHMGATE_REG_DATA_STATUS, &status)) != OHMGATE_OK)
            return error;
        if (status & OHMGATE_DATA_STATUS_RESULT_VALID_MASK) {
            if (*count == room)
                return OHMGATE_ERROR_ROOM;
            error = pull(device, results + *count * device->output.count);
            ++*count;
            polls = 0;
            if (status & OHMGATE_DATA_STATUS_RESULT_LAST_MASK)
                return error;
        } else if (sent < device->output.votes && status & OHMGATE_DATA_STATUS_INPUT_FREE_MASK) {
            marks = step == 0 ? OHMGATE_INPUT_PUSH_FIRST_MASK : 0;
            if (step + 1 == steps)
                marks |= OHMGATE_INPUT_PUSH_LAST_MASK;
            error = push(device, codes + step * device->input.count, marks);
            if (++step == steps) {
                step = 0;
                sent++;
            }
            polls = 0;
        }
    }
    return error == OHMGATE_OK ? OHMGATE_ERROR_TIMEOUT : error;
}
