/* Ids made from names, as the host makes them: UUIDs of version 5 (RFC 9562) over SHA-1 (RFC 3174). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

static uint32_t rotate(uint32_t word, int bits) {
    return (word << bits) | (word >> (32 - bits));
}

static void sha1_block(uint32_t state[5], const uint8_t *block) {
    uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
                   block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t mixed, constant;
        if (i < 20)
            mixed = (b & c) | (~b & d), constant = 0x5a827999;
        else if (i < 40)
            mixed = b ^ c ^ d, constant = 0x6ed9eba1;
        else if (i < 60)
            mixed = (b & c) | (b & d) | (c & d), constant = 0x8f1bbcdc;
        else
            mixed = b ^ c ^ d, constant = 0xca62c1d6;
        uint32_t next = rotate(a, 5) + mixed + e + constant + words[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void sha1(const uint8_t *bytes, size_t len, uint8_t digest[20]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t padded = (len + 8) / 64 * 64 + 64;
    uint8_t *message = calloc(1, padded);
    memcpy(message, bytes, len);
    message[len] = 0x80;
    for (int i = 0; i < 8; i++)
        message[padded - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
    for (size_t at = 0; at < padded; at += 64)
        sha1_block(state, message + at);
    free(message);
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void test_id(yyjson_mut_doc *doc, const mig_text *names, size_t count, char *id) {
    static const uint8_t namespace[16] = {0x3c, 0x72, 0xcf, 0x10, 0x53, 0xd8, 0x4a, 0x0a,
                                          0x9b, 0xd1, 0xe6, 0xf8, 0x34, 0x8e, 0x47, 0x02};
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_arr_append(list, test_string(doc, names[i]));
    mig_text joined = test_written(list);
    uint8_t *named = malloc(sizeof namespace + joined.len), digest[20];
    memcpy(named, namespace, sizeof namespace);
    memcpy(named + sizeof namespace, joined.ptr, joined.len);
    sha1(named, sizeof namespace + joined.len, digest);
    free(named);
    free((char *)joined.ptr);
    digest[6] = (digest[6] & 0x0f) | 0x50;
    digest[8] = (digest[8] & 0x3f) | 0x80;
    for (int i = 0; i < 16; i++) {
        id += sprintf(id, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", digest[i]);
    }
}
