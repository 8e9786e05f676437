/* Ohmgate: the register bus over a board's serial line (docs/link.md), one request at a time. C99, no allocation, no
 * other library. */
#include "ohmgate.h"

#define BODY 2u /* of a frame begins here, behind a zero and the first byte of COBS */
#define PAYLOAD (BODY + OHMGATE_LINK_HEADER_BYTES)
#define ANSWER_BYTES (1u + OHMGATE_LINK_HEADER_BYTES + OHMGATE_LINK_INFO_BYTES + OHMGATE_LINK_CRC_BYTES)
#define OTHER_BYTES 1024u /* which may come in place of an answer before the request is sent again */
#define LEAST_ROOM 8u     /* levels, or bytes of words, in a request where many are lost; so is any room divided by 8 */

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value);
    put16(at + 2, value >> 16);
}

/* COBS in place: a zero becomes the distance to the next one. `end` is behind the body. */
static void encode(uint8_t *frame, uint32_t end)
{
    uint32_t code = BODY - 1u, at;

    for (at = BODY; at < end; at++)
        if (frame[at] == 0) {
            frame[code] = (uint8_t)(at - code);
            code = at;
        }
    frame[code] = (uint8_t)(end - code);
    frame[0] = frame[end] = 0;
}

/* The other way, from `length` bytes, none of them zero, to a body behind the first of them. */
static int decode(uint8_t *bytes, uint32_t length)
{
    uint32_t at = 0, next;

    while (at < length) {
        next = at + bytes[at];
        bytes[at] = 0;
        at = next;
    }
    return at == length;
}

/* Are these bytes the whole answer to the request that `link` has sent? */
static int answers(const ohmgate_link *link, uint32_t op, uint8_t *bytes, uint32_t length)
{
    const uint8_t *body = bytes + 1;
    uint32_t content = length - 1u - OHMGATE_LINK_CRC_BYTES;

    return length > OHMGATE_LINK_HEADER_BYTES + OHMGATE_LINK_CRC_BYTES && length <= ANSWER_BYTES &&
           decode(bytes, length) && get32(body + content) == ohmgate_crc32(0, body, content) &&
           get16(body + OHMGATE_LINK_HEADER_SESSION) == link->session &&
           get16(body + OHMGATE_LINK_HEADER_NUMBER) == link->number &&
           body[OHMGATE_LINK_HEADER_OP] == (op | OHMGATE_LINK_ANSWER);
}

/* Receives until the answer is in `bytes`, behind *length of them that came already; 0 where it does not come. */
static int receive(const ohmgate_link *link, uint32_t op, uint8_t *bytes, uint32_t *length)
{
    uint32_t seen;
    uint8_t byte;

    for (seen = 0; seen < OTHER_BYTES; seen++) {
        if (link->line.receive(link->line.context, &byte, OHMGATE_LINK_MILLISECONDS) != 0)
            return 0;
        if (byte != 0) {
            if (*length < ANSWER_BYTES)
                bytes[*length] = byte;
            ++*length;
        } else if (answers(link, op, bytes, *length))
            return 1;
        else
            *length = 0;
    }
    return 0;
}

/* Without an answer nothing is known of the board, so only another session goes on. */
static int over(const ohmgate_link *link)
{
    return link->error == OHMGATE_ERROR_LINK || link->error == OHMGATE_ERROR_PROTOCOL;
}

/* Sends a request, whose payload is in the frame already, until its answer comes; `wanted` bytes of payload go to
 * `payload`. */
static ohmgate_error request(ohmgate_link *link, uint32_t op, uint32_t argument, uint32_t count, uint8_t *payload,
                             uint32_t wanted)
{
    uint8_t *body = link->frame + BODY, bytes[ANSWER_BYTES];
    uint32_t content = OHMGATE_LINK_HEADER_BYTES + count, length = 0, lost, i;

    if (over(link))
        return link->error;
    put16(body + OHMGATE_LINK_HEADER_SESSION, link->session);
    put16(body + OHMGATE_LINK_HEADER_NUMBER, link->number);
    body[OHMGATE_LINK_HEADER_OP] = (uint8_t)op;
    put16(body + OHMGATE_LINK_HEADER_ARGUMENT, argument);
    put32(body + content, ohmgate_crc32(0, body, content));
    content += OHMGATE_LINK_CRC_BYTES;
    encode(link->frame, BODY + content);
    for (lost = 0; link->line.send(link->line.context, link->frame, BODY + content + 1u) != 0 ||
                   !receive(link, op, bytes, &length); lost++) {
        if (lost + 1u == OHMGATE_LINK_TRIES)
            return link->error = OHMGATE_ERROR_LINK;
        link->room = link->room < 2u * LEAST_ROOM ? LEAST_ROOM : link->room / 2u & ~7u;
    }
    if (lost == 0 && link->room < OHMGATE_LINK_PAYLOAD_BYTES)
        link->room += LEAST_ROOM;
    link->number = (link->number + 1u) & 0xFFFFu;
    body = bytes + 1;
    if (get16(body + OHMGATE_LINK_HEADER_ARGUMENT) != OHMGATE_LINK_STATUS_OK)
        return link->error = OHMGATE_ERROR_BUS;
    if (length != 1u + OHMGATE_LINK_HEADER_BYTES + wanted + OHMGATE_LINK_CRC_BYTES)
        return link->error = OHMGATE_ERROR_PROTOCOL;
    for (i = 0; i < wanted; i++)
        payload[i] = body[OHMGATE_LINK_HEADER_BYTES + i];
    return link->error = OHMGATE_OK;
}

ohmgate_error ohmgate_link_begin(ohmgate_link *link, const ohmgate_line *line, uint32_t session)
{
    static const uint8_t magic[] = OHMGATE_LINK_MAGIC;
    uint8_t info[OHMGATE_LINK_INFO_BYTES];
    uint32_t i;

    link->line = *line;
    link->error = OHMGATE_OK;
    link->session = session & 0xFFFFu;
    link->number = link->held = 0;
    link->room = LEAST_ROOM;
    request(link, OHMGATE_LINK_HELLO, OHMGATE_LINK_PROTOCOL, 0, info, sizeof info);
    if (link->error == OHMGATE_ERROR_BUS)
        link->error = OHMGATE_ERROR_PROTOCOL;
    for (i = 0; link->error == OHMGATE_OK && i < sizeof magic - 1u; i++)
        if (info[OHMGATE_LINK_INFO_MAGIC + i] != magic[i])
            link->error = OHMGATE_ERROR_PROTOCOL;
    if (link->error == OHMGATE_OK && info[OHMGATE_LINK_INFO_PROTOCOL] != OHMGATE_LINK_PROTOCOL)
        link->error = OHMGATE_ERROR_PROTOCOL;
    return link->error;
}

/* Levels that stand as bytes, in as few bits as the largest has and as fill whole bytes; the width. */
static uint32_t pack(uint8_t *levels, uint32_t *count)
{
    uint32_t all = 0, bits = 1, i, level;

    for (i = 0; i < *count; i++)
        all |= levels[i];
    while (all >> bits || *count * bits % 8u)
        bits *= 2u;
    for (i = 0; i < *count; i++) {
        level = (uint32_t)levels[i] << i * bits % 8u;
        levels[i * bits / 8u] = (uint8_t)(i * bits % 8u ? levels[i * bits / 8u] | level : level);
    }
    *count = *count * bits / 8u;
    return bits;
}

ohmgate_error ohmgate_link_flush(ohmgate_link *link)
{
    uint32_t count = link->held, argument = link->address;

    link->held = 0;
    if (count == 0)
        return over(link) ? link->error : OHMGATE_OK;
    if (link->op == OHMGATE_LINK_LEVELS)
        argument = pack(link->frame + PAYLOAD, &count);
    return request(link, link->op, argument, count, NULL, 0);
}

static int read32(void *context, uint32_t address, uint32_t *value)
{
    ohmgate_link *link = context;
    uint8_t word[4];

    if (address > 0xFFFFu)
        return link->error = OHMGATE_ERROR_BUS;
    if (ohmgate_link_flush(link) != OHMGATE_OK)
        return link->error;
    link->frame[PAYLOAD] = 1; /* word */
    if (request(link, OHMGATE_LINK_READ, address, 1, word, sizeof word) == OHMGATE_OK)
        *value = get32(word);
    return link->error;
}

/* Words of TABLE_DATA and LEVEL, whose addresses advance by themselves, wait for those that follow. */
static int write32(void *context, uint32_t address, uint32_t value)
{
    ohmgate_link *link = context;
    uint32_t op = address == OHMGATE_REG_LEVEL && value <= 0xFFu ? OHMGATE_LINK_LEVELS : OHMGATE_LINK_WRITE;
    int waits = address == OHMGATE_REG_LEVEL || address == OHMGATE_REG_TABLE_DATA;

    if (address > 0xFFFFu)
        return link->error = OHMGATE_ERROR_BUS;
    if ((op != link->op || address != link->address) && ohmgate_link_flush(link) != OHMGATE_OK)
        return link->error;
    link->op = op;
    link->address = address;
    if (op == OHMGATE_LINK_LEVELS) {
        link->frame[PAYLOAD + link->held] = (uint8_t)value;
        link->held++;
    } else {
        put32(link->frame + PAYLOAD + link->held, value);
        link->held += 4u;
    }
    if (waits && link->held < link->room && !over(link))
        return 0;
    return ohmgate_link_flush(link);
}

ohmgate_bus ohmgate_link_bus(ohmgate_link *link)
{
    ohmgate_bus bus;

    bus.context = link;
    bus.read32 = read32;
    bus.write32 = write32;
    return bus;
}
