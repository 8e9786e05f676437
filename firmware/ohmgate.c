/* Ohmgate: checks a programming image and loads it over a register bus. C99, no allocation, no other library.
 * Constants come from the generated ohmgate.h. */
#include "ohmgate.h"

#include <string.h>

static const char *const error_names[OHMGATE_ERRORS] = OHMGATE_ERROR_NAMES;

const char *ohmgate_error_name(ohmgate_error error)
{
    return (unsigned)error < (unsigned)OHMGATE_ERRORS ? error_names[error] : "UNKNOWN";
}

/* Little-endian numbers, whatever the host's order. */

static uint32_t word16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t word32(const uint8_t *at)
{
    return word16(at) | word16(at + 2) << 16;
}

/* An image in memory, or a piece of one that a source gives. */
typedef struct {
    const ohmgate_source *source; /* null: `bytes` has the whole */
    const uint8_t *bytes;
    size_t length, from, held; /* of the image; of the piece */
    size_t signature;          /* where the signature's payload begins; 0: none is known */
    uint8_t piece[OHMGATE_PIECE];
} reader;

/* `count` bytes at `at`, until the next fetch; null where the source fails. */
static const uint8_t *fetch(reader *image, size_t at, size_t count)
{
    size_t rest = image->length - at;

    if (!image->source)
        return image->bytes + at;
    if (at < image->from || at + count > image->from + image->held) {
        image->from = at;
        image->held = rest < OHMGATE_PIECE ? rest : OHMGATE_PIECE;
        if (image->source->read(image->source->context, (uint32_t)at, image->piece, (uint32_t)image->held) != 0) {
            image->held = 0;
            return NULL;
        }
    }
    return image->piece + (at - image->from);
}

#define FETCH(image, at, count, bytes) \
    do { \
        if (((bytes) = fetch((image), (at), (count))) == NULL) \
            return OHMGATE_ERROR_READ; \
    } while (0)

uint32_t ohmgate_crc32(uint32_t crc, const uint8_t *bytes, size_t length)
{
    size_t i;
    int bit;

    for (crc = ~crc, i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1u) ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

/* Is the CRC-32 of `length` bytes at `at` what stands behind them? */
static ohmgate_error check_crc(reader *image, size_t at, size_t length)
{
    uint32_t crc = 0;
    const uint8_t *bytes;
    size_t count;

    for (; length > 0; at += count, length -= count) {
        count = length < OHMGATE_PIECE ? length : OHMGATE_PIECE;
        FETCH(image, at, count, bytes);
        crc = ohmgate_crc32(crc, bytes, count);
    }
    FETCH(image, at, OHMGATE_IMAGE_CRC_BYTES, bytes);
    return crc == word32(bytes) ? OHMGATE_OK : OHMGATE_ERROR_CRC;
}

/* SHA-256, FIPS 180-4. */

static uint32_t rotate(uint32_t value, unsigned count)
{
    return value >> count | value << (32u - count);
}

static void sha256_block(uint32_t state[8], const uint8_t *block)
{
    static const uint32_t round_constant[64] = {
        0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
        0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
        0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
        0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
        0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
        0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
        0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
        0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};
    uint32_t w[64], s[8];
    int i;

    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               (uint32_t)block[4 * i + 3];
    for (i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof s);
    for (i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_constant[i] + w[i];
        uint32_t t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (i = 0; i < 8; i++)
        state[i] += s[i];
}

/* Of the image up to its digest. */
static ohmgate_error sha256(reader *image, uint8_t digest[OHMGATE_IMAGE_DIGEST_BYTES])
{
    uint32_t state[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                         0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    size_t length = image->length - OHMGATE_IMAGE_DIGEST_BYTES, at, i;
    uint64_t bits = (uint64_t)length * 8u;
    uint8_t block[64] = {0};
    const uint8_t *byte;

    for (at = 0; at < length; at++) {
        FETCH(image, at, 1, byte);
        block[at % 64] = *byte;
        if (at % 64 == 63)
            sha256_block(state, block);
    }
    block[at % 64] = 0x80;
    memset(block + at % 64 + 1, 0, 63 - at % 64);
    if (at % 64 >= 56) {
        sha256_block(state, block);
        memset(block, 0, sizeof block);
    }
    for (i = 0; i < 8; i++)
        block[63 - i] = (uint8_t)(bits >> (8 * i));
    sha256_block(state, block);
    for (i = 0; i < OHMGATE_IMAGE_DIGEST_BYTES; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    return OHMGATE_OK;
}

/* Sections. */

typedef struct {
    uint32_t tag, layer, length;
    size_t payload; /* where it begins */
} section;

/* The section that begins at *at; advances *at behind its CRC. `end` is where the digest begins. */
static ohmgate_error next_section(reader *image, size_t end, size_t *at, int with_crc, section *found)
{
    const uint8_t *head;
    ohmgate_error error;
    size_t room = end - *at, size;

    if (room < OHMGATE_IMAGE_SECTION_BYTES + OHMGATE_IMAGE_CRC_BYTES)
        return OHMGATE_ERROR_SECTION;
    room -= OHMGATE_IMAGE_SECTION_BYTES + OHMGATE_IMAGE_CRC_BYTES;
    FETCH(image, *at, OHMGATE_IMAGE_SECTION_BYTES, head);
    found->tag = word32(head + OHMGATE_IMAGE_SECTION_TAG);
    found->layer = word32(head + OHMGATE_IMAGE_SECTION_LAYER);
    found->length = word32(head + OHMGATE_IMAGE_SECTION_LENGTH);
    found->payload = *at + OHMGATE_IMAGE_SECTION_BYTES;
    if (found->length > room)
        return OHMGATE_ERROR_SECTION;
    size = OHMGATE_IMAGE_SECTION_BYTES + (size_t)found->length;
    if (with_crc && (error = check_crc(image, *at, size)) != OHMGATE_OK)
        return error;
    *at += size + OHMGATE_IMAGE_CRC_BYTES;
    return OHMGATE_OK;
}

enum { LSTM = 0, DENSE = 1, RNN = 2 }; /* kinds of layers, by OHMGATE_IMAGE_GEOM_KIND */

typedef struct {
    uint32_t kind, gates, dac_bits, input_bits, weight_bits, adc_bits, more_tiles, input_tile_shift, table_bits;
    uint32_t units, rows, columns; /* units: what one code of all row tiles adds up to */
} geometry;

/* Of the tables of all gates: one for each sum of the row tiles' codes. */
static uint32_t entries(const geometry *g)
{
    return g->gates * ((g->units << g->adc_bits) - g->units + 1u);
}

/* The sections of one layer: where their payloads begin. */
typedef struct {
    geometry g;
    size_t weights, gains, tables; /* tables: 0 where none is loaded */
} layer_image;

static ohmgate_error read_geometry(reader *image, const section *s, geometry *g)
{
    const uint8_t *at;
    uint32_t inputs, hidden, conversions, adcs, tiles;

    if (s->length != OHMGATE_IMAGE_GEOM_BYTES)
        return OHMGATE_ERROR_SECTION;
    FETCH(image, s->payload, OHMGATE_IMAGE_GEOM_BYTES, at);
    g->kind = at[OHMGATE_IMAGE_GEOM_KIND];
    g->gates = at[OHMGATE_IMAGE_GEOM_GATES];
    g->dac_bits = at[OHMGATE_IMAGE_GEOM_DAC_BITS] & 15u;
    g->input_bits = (uint32_t)at[OHMGATE_IMAGE_GEOM_DAC_BITS] >> 4; /* 0: as dac_bits */
    g->weight_bits = at[OHMGATE_IMAGE_GEOM_WEIGHT_BITS] & 15u;
    g->input_tile_shift = (uint32_t)at[OHMGATE_IMAGE_GEOM_WEIGHT_BITS] >> 4;
    g->adc_bits = at[OHMGATE_IMAGE_GEOM_ADC_BITS] & 15u;
    g->more_tiles = (uint32_t)at[OHMGATE_IMAGE_GEOM_ADC_BITS] >> 4; /* 0: one tile */
    g->table_bits = at[OHMGATE_IMAGE_GEOM_TABLE_BITS];
    g->rows = word16(at + OHMGATE_IMAGE_GEOM_ROWS);
    g->columns = word16(at + OHMGATE_IMAGE_GEOM_COLUMNS);
    inputs = word16(at + OHMGATE_IMAGE_GEOM_INPUTS);
    hidden = word16(at + OHMGATE_IMAGE_GEOM_HIDDEN);
    adcs = word16(at + OHMGATE_IMAGE_GEOM_ADCS);
    conversions = word16(at + OHMGATE_IMAGE_GEOM_CONVERSIONS);
    if (g->kind > RNN || g->gates != (g->kind == LSTM ? 4u : 1u) ||
        g->table_bits > (g->kind == LSTM ? 16u : OHMGATE_IMAGE_MAX_BITS) ||
        (g->kind == RNN && g->table_bits != 0 && g->table_bits != g->dac_bits) ||
        at[OHMGATE_IMAGE_GEOM_COLUMN_ORDER] != OHMGATE_IMAGE_COLUMN_ORDER ||
        memcmp(at + OHMGATE_IMAGE_GEOM_GATE_ORDER, g->kind == LSTM ? "fiog" : "z\0\0\0", 4) != 0 ||
        g->dac_bits - 1u >= OHMGATE_IMAGE_MAX_BITS || g->weight_bits - 1u >= OHMGATE_IMAGE_MAX_BITS ||
        g->input_bits > OHMGATE_IMAGE_MAX_BITS || g->input_bits == g->dac_bits || (g->kind == DENSE && g->input_bits) ||
        g->adc_bits - 1u >= OHMGATE_IMAGE_MAX_BITS || g->rows == 0 || g->columns == 0 ||
        inputs + hidden + at[OHMGATE_IMAGE_GEOM_BIAS_ROWS] != g->rows || adcs * conversions != g->columns ||
        inputs == 0 || adcs % g->gates != 0 || /* the ADCs are grouped by gate */
        g->more_tiles >= g->rows ||
        (g->kind == DENSE ? hidden != 0 : g->gates * hidden != g->columns))
        return OHMGATE_ERROR_GEOMETRY;
    g->units = g->more_tiles + 1u;
    tiles = (inputs - 1u) / ((g->rows + g->more_tiles) / g->units) + 1u; /* with inputs, whose codes count 2^shift */
    g->units += (tiles << g->input_tile_shift) - tiles;
    return OHMGATE_OK;
}

/* Sections GEOM, WGHT, GAIN and TABL of layer `index`; checks their order and lengths. */
static ohmgate_error next_layer(reader *image, size_t end, size_t *at, uint32_t index, int with_crc,
                                layer_image *layer)
{
    uint32_t tags[4] = {OHMGATE_IMAGE_TAG_GEOM, OHMGATE_IMAGE_TAG_WGHT, OHMGATE_IMAGE_TAG_GAIN,
                        OHMGATE_IMAGE_TAG_TABL};
    uint64_t lengths[4] = {OHMGATE_IMAGE_GEOM_BYTES, 0, 0, 0};
    size_t payloads[4] = {0, 0, 0, 0};
    ohmgate_error error;
    section s;
    int k, count = 4;

    for (k = 0; k < count; k++) {
        if ((error = next_section(image, end, at, with_crc, &s)) != OHMGATE_OK)
            return error;
        if (s.tag != tags[k] || s.layer != index || s.length != lengths[k])
            return OHMGATE_ERROR_SECTION;
        payloads[k] = s.payload;
        if (k > 0)
            continue;
        if ((error = read_geometry(image, &s, &layer->g)) != OHMGATE_OK)
            return error;
        lengths[1] = ((uint64_t)layer->g.rows * layer->g.columns * layer->g.weight_bits + 7u) / 8u;
        lengths[2] = (uint64_t)layer->g.gates * OHMGATE_IMAGE_GAIN_BYTES;
        lengths[3] = 2u * (uint64_t)entries(&layer->g);
        count = layer->g.table_bits ? 4 : 3;
    }
    layer->weights = payloads[1];
    layer->gains = payloads[2];
    layer->tables = payloads[3];
    return OHMGATE_OK;
}

/* Pattern number `index` of codes of `bits` bits at `data`; reads no byte that holds none of its bits. */
static ohmgate_error packed(reader *image, size_t data, uint64_t index, uint32_t bits, uint32_t *pattern)
{
    uint64_t first = index * bits;
    uint32_t offset = (uint32_t)(first % 8u);
    const uint8_t *at;

    FETCH(image, data + (size_t)(first / 8u), offset + bits > 8u ? 2 : 1, at);
    *pattern = at[0];
    if (offset + bits > 8u)
        *pattern |= (uint32_t)at[1] << 8;
    *pattern = *pattern >> offset & ((1u << bits) - 1u);
    return OHMGATE_OK;
}

/* The most negative pattern is no symmetric code; with one bit both patterns are. */
static int symmetric(uint32_t pattern, uint32_t bits)
{
    return bits == 1 || pattern != 1u << (bits - 1u);
}

static ohmgate_error check_values(reader *image, const layer_image *layer)
{
    const geometry *g = &layer->g;
    uint64_t cells = (uint64_t)g->rows * g->columns, used = cells * g->weight_bits, i;
    uint32_t gate, entry, pattern;
    const uint8_t *bytes, *gain;
    ohmgate_error error;

    for (i = 0; i < cells; i++) {
        if ((error = packed(image, layer->weights, i, g->weight_bits, &pattern)) != OHMGATE_OK)
            return error;
        if (!symmetric(pattern, g->weight_bits))
            return OHMGATE_ERROR_VALUE;
    }
    if (used % 8u) {
        FETCH(image, layer->weights + (size_t)(used / 8u), 1, bytes);
        if (bytes[0] >> (used % 8u))
            return OHMGATE_ERROR_VALUE;
    }
    for (gate = 0; gate < g->gates; gate++) {
        FETCH(image, layer->gains + gate * OHMGATE_IMAGE_GAIN_BYTES, OHMGATE_IMAGE_GAIN_BYTES, gain);
        if (gain[OHMGATE_IMAGE_GAIN_MULT] == 0 || gain[OHMGATE_IMAGE_GAIN_SHIFT] > OHMGATE_IMAGE_SHIFT_MAX)
            return OHMGATE_ERROR_VALUE;
    }
    for (entry = 0; layer->tables && entry < entries(g); entry++) {
        FETCH(image, layer->tables + 2u * entry, 2, bytes);
        if (word16(bytes) >> g->table_bits || (g->kind != LSTM && !symmetric(word16(bytes), g->table_bits)))
            return OHMGATE_ERROR_VALUE;
    }
    return OHMGATE_OK;
}

/* Where the first layer begins: behind the header, its CRC and META. */
static ohmgate_error skip_meta(reader *image, size_t end, int with_crc, size_t *at)
{
    ohmgate_error error;
    section s;

    *at = OHMGATE_IMAGE_HEADER_BYTES + OHMGATE_IMAGE_CRC_BYTES;
    if ((error = next_section(image, end, at, with_crc, &s)) != OHMGATE_OK)
        return error;
    return s.tag == OHMGATE_IMAGE_TAG_META && s.layer == OHMGATE_IMAGE_NO_LAYER ? OHMGATE_OK : OHMGATE_ERROR_SECTION;
}

static ohmgate_error count_layers(reader *image, int check, uint32_t *layers)
{
    size_t end = image->length - OHMGATE_IMAGE_DIGEST_BYTES, at;
    const uint8_t *header;
    uint32_t sections = 1;
    ohmgate_error error = skip_meta(image, end, check, &at);
    layer_image layer;

    for (*layers = 0; error == OHMGATE_OK && at < end; ++*layers) {
        error = next_layer(image, end, &at, *layers, check, &layer);
        if (error != OHMGATE_OK)
            break;
        sections += layer.tables ? 4u : 3u;
        if (check)
            error = check_values(image, &layer);
    }
    if (error != OHMGATE_OK)
        return error;
    FETCH(image, 0, OHMGATE_IMAGE_HEADER_BYTES, header);
    if (*layers == 0 || sections != word32(header + OHMGATE_IMAGE_HEADER_SECTIONS))
        return OHMGATE_ERROR_SECTION;
    return OHMGATE_OK;
}

#define SMALLEST (OHMGATE_IMAGE_HEADER_BYTES + OHMGATE_IMAGE_CRC_BYTES + OHMGATE_IMAGE_DIGEST_BYTES)

static reader in_memory(const uint8_t *bytes, size_t length)
{
    reader image;

    image.source = NULL;
    image.bytes = bytes;
    image.length = length;
    image.from = image.held = image.signature = 0;
    return image;
}

#define BEHIND (OHMGATE_IMAGE_SECTION_BYTES + OHMGATE_IMAGE_SIGN_BYTES + OHMGATE_IMAGE_CRC_BYTES)

/* What stands behind the image in `whole` bytes: nothing, or a signature. */
static ohmgate_error check_behind(reader *image, size_t whole)
{
    size_t at = image->length;
    ohmgate_error error;
    section s;

    if (whole == at)
        return OHMGATE_OK;
    if (whole < at || whole - at != BEHIND)
        return OHMGATE_ERROR_LENGTH;
    image->length = whole;
    error = next_section(image, whole, &at, 1, &s);
    image->length -= BEHIND;
    if (error != OHMGATE_OK)
        return error;
    if (s.tag != OHMGATE_IMAGE_TAG_SIGN || s.layer != OHMGATE_IMAGE_NO_LAYER || s.length != OHMGATE_IMAGE_SIGN_BYTES)
        return OHMGATE_ERROR_SECTION;
    image->signature = s.payload;
    return OHMGATE_OK;
}

/* The header, which says the image's length, and what stands behind an image in memory. */
static ohmgate_error check_header(reader *image)
{
    size_t whole = image->length;
    const uint8_t *header;
    ohmgate_error error;

    if (whole < SMALLEST)
        return OHMGATE_ERROR_LENGTH;
    FETCH(image, 0, OHMGATE_IMAGE_HEADER_BYTES, header);
    if (memcmp(header, OHMGATE_IMAGE_MAGIC, sizeof OHMGATE_IMAGE_MAGIC - 1) != 0)
        return OHMGATE_ERROR_MAGIC;
    if ((error = check_crc(image, 0, OHMGATE_IMAGE_HEADER_BYTES)) != OHMGATE_OK)
        return error;
    FETCH(image, 0, OHMGATE_IMAGE_HEADER_BYTES, header);
    if (word32(header + OHMGATE_IMAGE_HEADER_VERSION) - 1u >= OHMGATE_IMAGE_VERSION)
        return OHMGATE_ERROR_FORMAT;
    image->length = word32(header + OHMGATE_IMAGE_HEADER_LENGTH);
    if (image->length < SMALLEST)
        return OHMGATE_ERROR_LENGTH;
    return image->source ? OHMGATE_OK : check_behind(image, whole);
}

static ohmgate_error check(reader *image)
{
    uint32_t layers;
    ohmgate_error error = check_header(image);

    return error == OHMGATE_OK ? count_layers(image, 1, &layers) : error;
}

/* Is the SHA-256 of the image what its end says? */
static ohmgate_error check_digest(reader *image, uint8_t digest[OHMGATE_IMAGE_DIGEST_BYTES])
{
    const uint8_t *stored;
    ohmgate_error error = sha256(image, digest);

    if (error != OHMGATE_OK)
        return error;
    FETCH(image, image->length - OHMGATE_IMAGE_DIGEST_BYTES, OHMGATE_IMAGE_DIGEST_BYTES, stored);
    return memcmp(digest, stored, OHMGATE_IMAGE_DIGEST_BYTES) == 0 ? OHMGATE_OK : OHMGATE_ERROR_DIGEST;
}

ohmgate_error ohmgate_check(const uint8_t *image, size_t length)
{
    reader whole = in_memory(image, length);

    return check(&whole);
}

ohmgate_error ohmgate_check_digest(const uint8_t *image, size_t length)
{
    reader whole = in_memory(image, length);
    ohmgate_error error = check(&whole);
    uint8_t digest[OHMGATE_IMAGE_DIGEST_BYTES];

    return error == OHMGATE_OK ? check_digest(&whole, digest) : error;
}

#ifdef OHMGATE_LOCKED
/* Has the device's key signed the image? What it has signed are header and digest. */
static ohmgate_error check_signature(reader *image)
{
    const ohmgate_lock *lock = &ohmgate_device_lock;
    uint8_t message[OHMGATE_IMAGE_HEADER_BYTES + OHMGATE_IMAGE_DIGEST_BYTES], signature[64];
    const uint8_t *bytes;
    ohmgate_error error;
    uint32_t half;

    if (!lock->verify)
        return OHMGATE_ERROR_VERIFIER;
    if ((error = check_header(image)) != OHMGATE_OK)
        return error;
    if (image->source) {
        error = check_behind(image, image->length + BEHIND);
        if (error != OHMGATE_OK && error != OHMGATE_ERROR_SECTION)
            return error;
    }
    if (!image->signature)
        return OHMGATE_ERROR_UNSIGNED;
    FETCH(image, 0, OHMGATE_IMAGE_HEADER_BYTES, bytes);
    memcpy(message, bytes, OHMGATE_IMAGE_HEADER_BYTES);
    if ((error = check_digest(image, message + OHMGATE_IMAGE_HEADER_BYTES)) != OHMGATE_OK)
        return error;
    image->length += BEHIND; /* so that what stands there is fetched */
    FETCH(image, image->signature + OHMGATE_IMAGE_SIGN_KEY, sizeof lock->key, bytes);
    if (memcmp(bytes, lock->key, sizeof lock->key) != 0)
        return OHMGATE_ERROR_KEY;
    for (half = 0; half < sizeof signature; half += 32) {
        FETCH(image, image->signature + OHMGATE_IMAGE_SIGN_SIGNATURE + half, 32, bytes);
        memcpy(signature + half, bytes, 32);
    }
    image->length -= BEHIND;
    return lock->verify(lock->context, message, sizeof message, signature, lock->key) == 0 ? OHMGATE_OK
                                                                                           : OHMGATE_ERROR_SIGNATURE;
}

ohmgate_error ohmgate_check_signature(const uint8_t *image, size_t length)
{
    reader whole = in_memory(image, length);

    return check_signature(&whole);
}

#ifdef OHMGATE_SODIUM
#include <sodium.h>

int ohmgate_verify_sodium(void *context, const uint8_t *message, size_t length, const uint8_t *signature,
                          const uint8_t *key)
{
    (void)context;
    return sodium_init() < 0 ? -1 : crypto_sign_verify_detached(signature, message, length, key);
}
#endif
#endif

/* Loading. */

#define READ(bus, address, value) \
    do { \
        if ((bus)->read32((bus)->context, (address), (value)) != 0) \
            return OHMGATE_ERROR_BUS; \
    } while (0)

#define WRITE(bus, address, value) \
    do { \
        if ((bus)->write32((bus)->context, (address), (value)) != 0) \
            return OHMGATE_ERROR_BUS; \
    } while (0)

static ohmgate_error compare_device(const ohmgate_bus *bus, const uint32_t fingerprint[2], uint32_t layers)
{
    uint32_t value, high;

    READ(bus, OHMGATE_REG_ID, &value);
    if (value != OHMGATE_ID_VALUE)
        return OHMGATE_ERROR_DEVICE;
    READ(bus, OHMGATE_REG_VERSION, &value);
    if ((value ^ OHMGATE_VERSION_VALUE) & OHMGATE_VERSION_MAJOR_MASK)
        return OHMGATE_ERROR_VERSION;
    READ(bus, OHMGATE_REG_FINGERPRINT_LOW, &value);
    READ(bus, OHMGATE_REG_FINGERPRINT_HIGH, &high);
    if (value != fingerprint[0] || high != fingerprint[1])
        return OHMGATE_ERROR_FINGERPRINT;
    READ(bus, OHMGATE_REG_LAYERS, &value);
    return value == layers ? OHMGATE_OK : OHMGATE_ERROR_MISMATCH;
}

static ohmgate_error compare_layer(const ohmgate_bus *bus, uint32_t index, const geometry *g)
{
    uint32_t value;

    WRITE(bus, OHMGATE_REG_LAYER, index);
    READ(bus, OHMGATE_REG_GEOMETRY, &value);
    if (value != (g->rows << OHMGATE_GEOMETRY_ROWS_SHIFT | g->columns << OHMGATE_GEOMETRY_COLUMNS_SHIFT))
        return OHMGATE_ERROR_MISMATCH;
    READ(bus, OHMGATE_REG_FORMAT, &value);
    if (value != (g->dac_bits << OHMGATE_FORMAT_DAC_BITS_SHIFT | g->weight_bits << OHMGATE_FORMAT_WEIGHT_BITS_SHIFT |
                  g->adc_bits << OHMGATE_FORMAT_ADC_BITS_SHIFT | g->table_bits << OHMGATE_FORMAT_TABLE_BITS_SHIFT |
                  g->gates << OHMGATE_FORMAT_GATES_SHIFT | g->input_bits << OHMGATE_FORMAT_INPUT_DAC_BITS_SHIFT |
                  g->more_tiles << OHMGATE_FORMAT_MORE_TILES_SHIFT |
                  g->input_tile_shift << OHMGATE_FORMAT_INPUT_TILE_SHIFT_SHIFT))
        return OHMGATE_ERROR_MISMATCH;
    return OHMGATE_OK;
}

static ohmgate_error unlock(const ohmgate_bus *bus, const uint32_t fingerprint[2], unsigned flags)
{
    uint32_t status;

    WRITE(bus, OHMGATE_REG_CONTROL, OHMGATE_CONTROL_RESET_MASK | OHMGATE_CONTROL_CLEAR_MASK);
    WRITE(bus, OHMGATE_REG_UNLOCK_LOW, fingerprint[0]);
    WRITE(bus, OHMGATE_REG_UNLOCK_HIGH, fingerprint[1]);
    READ(bus, OHMGATE_REG_STATUS, &status);
    if ((status & (OHMGATE_STATUS_UNLOCKED_MASK | OHMGATE_STATUS_REFUSED_MASK)) != OHMGATE_STATUS_UNLOCKED_MASK)
        return OHMGATE_ERROR_REFUSED;
    if ((flags & OHMGATE_KEEP_WEIGHTS) && !(status & OHMGATE_STATUS_SEALED_MASK))
        return OHMGATE_ERROR_SEAL;
    return OHMGATE_OK;
}

static ohmgate_error load_layer(const ohmgate_bus *bus, reader *image, uint32_t index, const layer_image *layer,
                                unsigned flags)
{
    const geometry *g = &layer->g;
    uint64_t cells = (uint64_t)g->rows * g->columns, i;
    uint32_t gate, entry, pattern;
    const uint8_t *gain, *bytes;
    ohmgate_error error;

    WRITE(bus, OHMGATE_REG_LAYER, index);
    if (!(flags & OHMGATE_KEEP_WEIGHTS)) { /* cells first: they take the seal away before anything has changed */
        WRITE(bus, OHMGATE_REG_ROW, 0);
        WRITE(bus, OHMGATE_REG_COLUMN, 0);
        for (i = 0; i < cells; i++) {
            if ((error = packed(image, layer->weights, i, g->weight_bits, &pattern)) != OHMGATE_OK)
                return error;
            WRITE(bus, OHMGATE_REG_LEVEL, pattern);
        }
    }
    for (gate = 0; gate < g->gates; gate++) {
        FETCH(image, layer->gains + gate * OHMGATE_IMAGE_GAIN_BYTES, OHMGATE_IMAGE_GAIN_BYTES, gain);
        WRITE(bus, OHMGATE_REG_GAIN, gate << OHMGATE_GAIN_GATE_SHIFT |
                                     (uint32_t)gain[OHMGATE_IMAGE_GAIN_MULT] << OHMGATE_GAIN_MULT_SHIFT |
                                     (uint32_t)gain[OHMGATE_IMAGE_GAIN_SHIFT] << OHMGATE_GAIN_SHIFT_SHIFT);
    }
    if (layer->tables) {
        WRITE(bus, OHMGATE_REG_TABLE_ADDRESS, 0);
        for (entry = 0; entry < entries(g); entry++) {
            FETCH(image, layer->tables + 2u * entry, 2, bytes);
            WRITE(bus, OHMGATE_REG_TABLE_DATA, word16(bytes));
        }
    }
    return OHMGATE_OK;
}

/* STATUS, once nothing is being programmed. */
static ohmgate_error programmed(const ohmgate_bus *bus, uint32_t *status)
{
    unsigned long polls;

    *status = OHMGATE_STATUS_PROGRAMMING_MASK;
    for (polls = 0; polls < OHMGATE_POLLS && (*status & OHMGATE_STATUS_PROGRAMMING_MASK); polls++)
        READ(bus, OHMGATE_REG_STATUS, status);
    return *status & OHMGATE_STATUS_PROGRAMMING_MASK ? OHMGATE_ERROR_TIMEOUT : OHMGATE_OK;
}

static ohmgate_error finish(const ohmgate_bus *bus, uint32_t layers, unsigned flags)
{
    uint32_t status, index;
    ohmgate_error error = programmed(bus, &status);

    if (error == OHMGATE_OK && (status & OHMGATE_STATUS_ERROR_MASK))
        error = OHMGATE_ERROR_STATUS;
    if (error == OHMGATE_OK && !(flags & OHMGATE_KEEP_WEIGHTS)) {
        for (index = 0; index < layers; index++) {
            WRITE(bus, OHMGATE_REG_LAYER, index);
            WRITE(bus, OHMGATE_REG_SEAL, 1);
        }
        error = programmed(bus, &status);
    }
    if (error != OHMGATE_OK)
        return error;
    WRITE(bus, OHMGATE_REG_CONTROL, OHMGATE_CONTROL_ENABLE_MASK);
    return OHMGATE_OK;
}

static ohmgate_error load(const ohmgate_bus *bus, reader *image, unsigned flags)
{
    size_t end, first = 0, at;
    uint32_t layers, index, fingerprint[2];
    const uint8_t *header;
    layer_image layer;
    ohmgate_error error;

#ifdef OHMGATE_LOCKED
    if ((error = check_signature(image)) != OHMGATE_OK)
        return error;
#endif
    if ((error = check(image)) != OHMGATE_OK)
        return error;
    end = image->length - OHMGATE_IMAGE_DIGEST_BYTES;
    FETCH(image, 0, OHMGATE_IMAGE_HEADER_BYTES, header);
    fingerprint[0] = word32(header + OHMGATE_IMAGE_HEADER_FINGERPRINT);
    fingerprint[1] = word32(header + OHMGATE_IMAGE_HEADER_FINGERPRINT + 4);
    error = count_layers(image, 0, &layers);
    if (error == OHMGATE_OK && !(flags & OHMGATE_FORCE))
        error = compare_device(bus, fingerprint, layers);
    if (error == OHMGATE_OK)
        error = skip_meta(image, end, 0, &first);
    for (index = 0, at = first; error == OHMGATE_OK && !(flags & OHMGATE_FORCE) && index < layers; index++) {
        error = next_layer(image, end, &at, index, 0, &layer);
        if (error == OHMGATE_OK)
            error = compare_layer(bus, index, &layer.g);
    }
    if (error == OHMGATE_OK)
        error = unlock(bus, fingerprint, flags);
    for (index = 0, at = first; error == OHMGATE_OK && index < layers; index++) {
        error = next_layer(image, end, &at, index, 0, &layer);
        if (error == OHMGATE_OK)
            error = load_layer(bus, image, index, &layer, flags);
    }
    return error == OHMGATE_OK ? finish(bus, layers, flags) : error;
}

ohmgate_error ohmgate_load(const ohmgate_bus *bus, const uint8_t *image, size_t length, unsigned flags)
{
    reader whole = in_memory(image, length);

    return load(bus, &whole, flags);
}

ohmgate_error ohmgate_load_from(const ohmgate_bus *bus, const ohmgate_source *source, unsigned flags)
{
    reader image;

    image.source = source;
    image.bytes = NULL;
    image.length = SMALLEST; /* until the header says it */
    image.from = image.held = image.signature = 0;
    return load(bus, &image, flags);
}
