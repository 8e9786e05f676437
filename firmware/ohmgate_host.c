/* Ohmgate: what a device's codes stand for, from the image's META. C99, no allocation, strtod of the C library.
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

/* The last layer's outputs: how many, and what its codes nominally stand for. */
static ohmgate_error nominal(text layer, size_t *count, ohmgate_output *output)
{
    unsigned bits, outputs;
    double range;
    text t = layer;

    output->middle = output->offset = 0;
    if (has(layer, ",\"kind\":", "\"lstm\"")) {
        int value = has(layer, ",\"output\":", "\"value\"");

        if (!whole(layer, ",\"hidden\":", 4096, &outputs) ||
            !whole(layer, value ? "{\"activation_bits\":" : ",\"dac_bits\":", 16, &bits))
            return OHMGATE_ERROR_META;
        output->scale = value ? 1.0 / (double)(1u << (bits - 1u)) : code_unit(bits);
    } else {
        if (!whole(layer, ",\"outputs\":", 16384, &outputs))
            return OHMGATE_ERROR_META;
        if (has(layer, ",\"output\":", "\"argmax\""))
            return OHMGATE_ERROR_LABELS;
        if (has(layer, ",\"output\":", "\"codes\"")) {
            if (!whole(layer, "{\"adc_bits\":", 16, &bits) || !skip_to(&t, ",\"adc_range\":") || !number(&t, &range))
                return OHMGATE_ERROR_META;
            output->middle = 0.5;
            output->scale = 2.0 * range / (double)(1u << bits);
        } else {
            if (!whole(layer, ",\"output_bits\":", 16, &bits))
                return OHMGATE_ERROR_META;
            output->scale = code_unit(bits);
        }
    }
    *count = outputs;
    return OHMGATE_OK;
}

/* Numbers of the list behind `key` into every output's scale, or its offset; none for an empty list. */
static int list(text t, const char *key, ohmgate_output *outputs, size_t count, int offset)
{
    size_t i;

    if (!skip_to(&t, key) || t.at == t.end)
        return 0;
    if (*t.at == ']')
        return 1;
    for (i = 0; i < count; i++) {
        if (!number(&t, offset ? &outputs[i].offset : &outputs[i].scale) || t.at == t.end ||
            *t.at++ != (i + 1 < count ? ',' : ']'))
            return 0;
    }
    return 1;
}

ohmgate_error ohmgate_outputs(const uint8_t *image, size_t length, ohmgate_output *outputs, size_t room,
                              size_t *count)
{
    const uint8_t *head = image + OHMGATE_IMAGE_HEADER_BYTES + OHMGATE_IMAGE_CRC_BYTES;
    const uint8_t *size = head + OHMGATE_IMAGE_SECTION_LENGTH;
    ohmgate_error error = ohmgate_check(image, length);
    ohmgate_output output;
    text meta, layer;
    size_t i;

    if (error != OHMGATE_OK)
        return error;
    meta.at = (const char *)head + OHMGATE_IMAGE_SECTION_BYTES;
    meta.end = meta.at + ((size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24);
    layer = meta;
    if (!skip_to(&layer, "}],\"name\":"))
        return OHMGATE_ERROR_META;
    layer.end = layer.at;
    while (layer.at > meta.at && *layer.at != '{')
        layer.at--;
    if ((error = nominal(layer, count, &output)) != OHMGATE_OK)
        return error;
    if (*count > room)
        return OHMGATE_ERROR_ROOM;
    for (i = 0; i < *count; i++)
        outputs[i] = output;
    if (image[OHMGATE_IMAGE_HEADER_VERSION] > 1 &&
        (!list(meta, ",\"output_scale\":[", outputs, *count, 0) ||
         !list(meta, ",\"output_offset\":[", outputs, *count, 1)))
        return OHMGATE_ERROR_META;
    return OHMGATE_OK;
}

double ohmgate_value(const ohmgate_output *output, int32_t code)
{
    return (code + output->middle) * output->scale + output->offset;
}
