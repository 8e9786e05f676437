/* Ohmgate: what a host's numbers are in codes, and a device's codes in numbers, from the image's META. C99, no allocation, strtod of the C library.
 * Apart from ohmgate.c, so that who only loads an image needs none of it. */
#include "ohmgate.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_DIGITS 40 /* of a number in META; a packer writes 22 at most */

/* A stretch of META; at end it is used up. */
typedef struct {
    const char *at, *end;
} text;

/* Behind the first `key`. META is canonical JSON: no white space, and quotes within strings have a backslash, so
 * what looks like a key is one. */
static int skip_to(text *t, const char *key)
{
    size_t size = strlen(key);

    for (; (size_t)(t->end - t->at) >= size; t->at++)
        if (memcmp(t->at, key, size) == 0) {
            t->at += size;
            return 1;
        }
    return 0;
}

/* Is `value` the text behind `key`? */
static int has(text t, const char *key, const char *value)
{
    size_t size = strlen(value);

    return skip_to(&t, key) && (size_t)(t.end - t.at) >= size && memcmp(t.at, value, size) == 0;
}

static int digit(const text *t)
{
    return t->at < t->end && *t->at >= '0' && *t->at <= '9';
}

/* The JSON number at t->at. strtod gets its digits without a point, which is another one in some locales. */
static int number(text *t, double *value)
{
    char digits[NUMBER_DIGITS + 16], *end = digits;
    int exponent = 0, point = 0, sign = 1, given = 0;

    if (t->at < t->end && *t->at == '-')
        *end++ = *t->at++;
    if (!digit(t))
        return 0;
    while (digit(t) || (t->at < t->end && *t->at == '.' && !point)) {
        if (end - digits > NUMBER_DIGITS)
            return 0;
        if (*t->at == '.')
            point = 1;
        else {
            *end++ = *t->at;
            exponent -= point;
        }
        t->at++;
    }
    if (t->at < t->end && *t->at == 'e') {
        t->at++;
        if (t->at < t->end && (*t->at == '-' || *t->at == '+'))
            sign = *t->at++ == '-' ? -1 : 1;
        if (!digit(t))
            return 0;
        for (; digit(t) && given < 1000; t->at++)
            given = 10 * given + (*t->at - '0');
        exponent += sign * given;
    }
    *end++ = 'e';
    if (exponent < 0)
        *end++ = '-';
    exponent = exponent < 0 ? -exponent : exponent;
    for (given = 10000; given > 0; given /= 10)
        *end++ = (char)('0' + exponent / given % 10);
    *end = '\0';
    *value = strtod(digits, NULL);
    return *value <= DBL_MAX && *value >= -DBL_MAX;
}

/* The whole number from 1 to `most` behind `key`. */
static int whole(text t, const char *key, unsigned most, unsigned *value)
{
    double found;

    if (!skip_to(&t, key) || !number(&t, &found) || !(found >= 1 && found <= most))
        return 0;
    *value = (unsigned)found;
    return 1;
}

/* 1 over the largest symmetric code. */
static double code_unit(unsigned bits)
{
    return bits < 3 ? 1.0 : 1.0 / (double)((1u << (bits - 1u)) - 1u);
}

/* Row tiles of a dense layer, whose codes are added up. */
static int row_tiles(text layer, unsigned *tiles)
{
    unsigned inputs, height;
    double bias;
    text t = layer;

    *tiles = 1;
    if (!skip_to(&t, ",\"tile_rows\":"))
        return 1;
    t = layer;
    if (!whole(layer, ",\"tile_rows\":", 65536, &height) || !whole(layer, ",\"inputs\":", 4096, &inputs) ||
        !skip_to(&t, ",\"bias_rows\":") || !number(&t, &bias) || !(bias >= 0 && bias <= 64))
        return 0;
    *tiles = (inputs + (unsigned)bias + height - 1u) / height;
    return 1;
}

/* The codes of a time step, from the first layer. */
static ohmgate_error input_codes(text layer, ohmgate_codes *codes)
{
    unsigned count, bits;
    const char *key = ",\"input_dac_bits\":";
    text own = layer;

    if (!skip_to(&own, "}")) /* the layers behind have keys, too */
        return OHMGATE_ERROR_META;
    layer.end = own.at;
    own = layer;
    if (!skip_to(&own, key))
        key = ",\"dac_bits\":";
    if (!whole(layer, ",\"inputs\":", 4096, &count) || !whole(layer, key, OHMGATE_IMAGE_MAX_BITS, &bits))
        return OHMGATE_ERROR_META;
    codes->count = count;
    codes->bits = bits;
    codes->symmetric = 1;
    codes->label = 0;
    codes->votes = 1;
    return OHMGATE_OK;
}

/* The last layer's codes, and what they nominally stand for. */
static ohmgate_error output_codes(text layer, ohmgate_codes *codes, ohmgate_output *output)
{
    unsigned bits = 1, outputs, tiles, votes;
    double range;
    text t = layer;

    output->middle = output->offset = 0;
    codes->symmetric = 1;
    codes->label = 0;
    codes->votes = 1;
    if (has(layer, ",\"kind\":", "\"lstm\"") || has(layer, ",\"kind\":", "\"rnn\"")) {
        int value = has(layer, ",\"output\":", "\"value\"");

        if (!whole(layer, ",\"hidden\":", 4096, &outputs) ||
            !whole(layer, value ? "{\"activation_bits\":" : ",\"dac_bits\":", 16, &bits))
            return OHMGATE_ERROR_META;
        codes->symmetric = !value;
        output->scale = value ? 1.0 / (double)(1u << (bits - 1u)) : code_unit(bits);
    } else {
        if (!whole(layer, ",\"outputs\":", 16384, &outputs))
            return OHMGATE_ERROR_META;
        if (has(layer, ",\"output\":", "\"argmax\"")) {
            while (outputs > 1u << bits)
                bits++;
            outputs = 1;
            codes->symmetric = 0;
            codes->label = 1;
            if (skip_to(&t, ",\"votes\":")) {
                if (!whole(layer, ",\"votes\":", 256, &votes))
                    return OHMGATE_ERROR_META;
                codes->votes = votes;
            }
            output->scale = 1;
        } else if (has(layer, ",\"output\":", "\"codes\"")) {
            if (!whole(layer, "{\"adc_bits\":", 16, &bits) || !skip_to(&t, ",\"adc_range\":") ||
                !number(&t, &range) || !row_tiles(layer, &tiles))
                return OHMGATE_ERROR_META;
            codes->symmetric = 0;
            output->middle = 0.5 * tiles;
            output->scale = 2.0 * range / (double)(1u << bits);
            while (tiles > 1) { /* a sum has more bits */
                tiles = (tiles + 1u) / 2u;
                bits++;
            }
        } else {
            if (!whole(layer, ",\"output_bits\":", 16, &bits))
                return OHMGATE_ERROR_META;
            output->scale = code_unit(bits);
        }
    }
    codes->count = outputs;
    codes->bits = bits;
    return OHMGATE_OK;
}

/* Numbers of the list behind `key` to `at` and every `stride` bytes behind; none for an empty list. */
static int list(text t, const char *key, void *at, size_t stride, size_t count)
{
    size_t i;

    if (!skip_to(&t, key) || t.at == t.end)
        return 0;
    if (*t.at == ']')
        return 1;
    for (i = 0; i < count; i++) {
        if (!number(&t, (double *)((char *)at + i * stride)) || t.at == t.end ||
            *t.at++ != (i + 1 < count ? ',' : ']'))
            return 0;
    }
    return 1;
}

/* ohmgate_check, then META, the first layer in it and the last. */
static ohmgate_error find(const uint8_t *image, size_t length, text *meta, text *first, text *last)
{
    const uint8_t *head = image + OHMGATE_IMAGE_HEADER_BYTES + OHMGATE_IMAGE_CRC_BYTES;
    const uint8_t *size = head + OHMGATE_IMAGE_SECTION_LENGTH;
    ohmgate_error error = ohmgate_check(image, length);

    if (error != OHMGATE_OK)
        return error;
    meta->at = (const char *)head + OHMGATE_IMAGE_SECTION_BYTES;
    meta->end = meta->at + ((size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24);
    *first = *last = *meta;
    if (!skip_to(first, "\"layer\":[") || !skip_to(last, "}],\"name\":"))
        return OHMGATE_ERROR_META;
    first->end = last->end = last->at;
    while (last->at > meta->at && *last->at != '{')
        last->at--;
    return OHMGATE_OK;
}

ohmgate_error ohmgate_outputs(const uint8_t *image, size_t length, ohmgate_output *outputs, size_t room,
                              size_t *count)
{
    text meta, first, last;
    ohmgate_error error = find(image, length, &meta, &first, &last);
    ohmgate_output output;
    ohmgate_codes codes;
    size_t i;

    if (error != OHMGATE_OK || (error = output_codes(last, &codes, &output)) != OHMGATE_OK)
        return error;
    if (codes.label)
        return OHMGATE_ERROR_LABELS;
    *count = codes.count;
    if (*count > room)
        return OHMGATE_ERROR_ROOM;
    for (i = 0; i < *count; i++)
        outputs[i] = output;
    if (image[OHMGATE_IMAGE_HEADER_VERSION] > 1 &&
        (!list(meta, ",\"output_scale\":[", &outputs[0].scale, sizeof *outputs, *count) ||
         !list(meta, ",\"output_offset\":[", &outputs[0].offset, sizeof *outputs, *count)))
        return OHMGATE_ERROR_META;
    return OHMGATE_OK;
}

double ohmgate_value(const ohmgate_output *output, int32_t code)
{
    return (code + output->middle) * output->scale + output->offset;
}

ohmgate_error ohmgate_formats(const uint8_t *image, size_t length, ohmgate_codes *input, ohmgate_codes *output)
{
    text meta, first, last;
    ohmgate_error error = find(image, length, &meta, &first, &last);
    ohmgate_output unused;

    if (error == OHMGATE_OK)
        error = input_codes(first, input);
    return error == OHMGATE_OK ? output_codes(last, output, &unused) : error;
}

ohmgate_error ohmgate_inputs(const uint8_t *image, size_t length, ohmgate_input *inputs, size_t room, size_t *count)
{
    text meta, first, last;
    ohmgate_error error = find(image, length, &meta, &first, &last);
    ohmgate_codes codes;
    size_t i;

    if (error != OHMGATE_OK || (error = input_codes(first, &codes)) != OHMGATE_OK)
        return error;
    *count = codes.count;
    if (*count > room)
        return OHMGATE_ERROR_ROOM;
    for (i = 0; i < *count; i++) {
        inputs[i].scale = 1;
        inputs[i].offset = 0;
        inputs[i].bits = codes.bits;
    }
    if (!list(meta, ",\"input_scale\":[", &inputs[0].scale, sizeof *inputs, *count) ||
        !list(meta, ",\"input_offset\":[", &inputs[0].offset, sizeof *inputs, *count))
        return OHMGATE_ERROR_META;
    return OHMGATE_OK;
}

ohmgate_error ohmgate_encode(const ohmgate_input *input, double measurement, int32_t *code)
{
    double value = measurement * input->scale, top = (double)(1u << (input->bits - 1u)) - 1.0;

    value += input->offset;
    if (value != value)
        return OHMGATE_ERROR_INPUT;
    if (input->bits == 1)
        *code = value >= 0 ? 1 : -1;
    else {
        value = value * top + 0.5;
        value = value > top ? top : value < -top ? -top : value;
        *code = (int32_t)value;
        *code -= *code > value; /* down, where the conversion went up */
    }
    return OHMGATE_OK;
}
