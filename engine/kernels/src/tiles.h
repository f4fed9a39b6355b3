// Panel times many tokens with AMX: reading a prompt. Tokens are the first operand, 16 rows of 64 bytes; weights, as they
// lie in a panel, the second: 16 lines. A product is 16 tokens by 16 rows of the matrix.
//
// Two groups of tokens meet two panels at a time, so that each of the eight tile registers is used: four products, two
// of each operand. Unpacked MXFP4 weights live a stretch of inputs at a time in a scratch that fits the first-level cache.

#pragma once

#ifdef __AMX_TILE__

#include <immintrin.h>

#include "activations.h"

namespace ostinato {

constexpr int kTile = 256;           // numbers of a product
constexpr int kStretch = 16;         // tiles unpacked at a time

inline void configure_tiles() {
    struct alignas(64) {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shape;
    asm volatile("" : : "r"(&shape) : "memory");  // gcc 12 drops the stores before the load otherwise
    _tile_loadconfig(&shape);
}

// Rows of tokens, `stride` bytes from one to the next and `step` bytes from one tile to the next.
struct TileRows {
    const uint8_t* rows[2];
    size_t stride, step;
};

// sums[tokens][panel] += tokens x panels over `count` tiles; `multiply` is the tile product of the number's kind.
#define OSTINATO_TILES(name, multiply, element)                                                                      \
    inline void name(const TileRows& tokens, const uint8_t* const* panels, int count, bool is_first,                 \
                     element* const (*sums)[2]) {                                                                   \
        if (is_first) {                                                                                              \
            _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);                                              \
        } else {                                                                                                     \
            _tile_loadd(0, sums[0][0], 64); _tile_loadd(1, sums[0][1], 64);                                          \
            _tile_loadd(2, sums[1][0], 64); _tile_loadd(3, sums[1][1], 64);                                          \
        }                                                                                                            \
        for (int i = 0; i < count; ++i) {                                                                            \
            const size_t at = static_cast<size_t>(i) * 1024;                                                         \
            _tile_loadd(4, tokens.rows[0] + i * tokens.step, tokens.stride);                                         \
            _tile_loadd(6, panels[0] + at, 64);                                                                      \
            multiply(0, 4, 6);                                                                                       \
            _tile_loadd(7, panels[1] + at, 64);                                                                      \
            multiply(1, 4, 7);                                                                                       \
            _tile_loadd(5, tokens.rows[1] + i * tokens.step, tokens.stride);                                         \
            multiply(2, 5, 6);                                                                                       \
            multiply(3, 5, 7);                                                                                       \
        }                                                                                                            \
        _tile_stored(0, sums[0][0], 64); _tile_stored(1, sums[0][1], 64);                                            \
        _tile_stored(2, sums[1][0], 64); _tile_stored(3, sums[1][1], 64);                                            \
    }
OSTINATO_TILES(multiply_int8_tiles, _tile_dpbsud, int32_t)
OSTINATO_TILES(multiply_bfloat16_tiles, _tile_dpbf16ps, float)
#undef OSTINATO_TILES

// Unpack 32 inputs of one of a pair of MXFP4 panels, from input 32 * group on, into a tile of bfloat16. Exact.
inline void unpack_tile(const uint8_t* pair, int which, int inputs, int group, uint8_t* tile) {
    alignas(64) static const uint16_t values[32] = {
        0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0x8000, 0xbf00, 0xbf80, 0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0,
        0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0x8000, 0xbf00, 0xbf80, 0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0};
    // Where the nibbles of two inputs begin, for the two numbers of a lane; the bits above a nibble do not matter.
    constexpr uint64_t kPairs[4] = {0x2828202008080000, 0x3838303018181010, 0x2c2c24240c0c0404, 0x3c3c34341c1c1414};
    const __m512i table = _mm512_load_si512(values), size = _mm512_set1_epi16(0x7fff);
    const __m128i scales = _mm_load_si128(reinterpret_cast<const __m128i*>(pair + (group * 2 + which) * kRows));
    const __m512i exponent = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_cvtepu8_epi32(scales), _mm512_set1_epi32(127)), 7);
    const __m512i exponents = _mm512_or_si512(_mm512_slli_epi32(exponent, 16), _mm512_and_si512(exponent, _mm512_set1_epi32(0xffff)));
    const uint8_t* nibbles = pair + scale_bytes(inputs) + static_cast<size_t>(group) * 512 + which * 64;
#pragma GCC unroll 4
    for (int line = 0; line < 4; ++line) {
        const __m512i packed = _mm512_load_si512(nibbles + line * 128);
#pragma GCC unroll 4
        for (int pair = 0; pair < 4; ++pair) {
            const __m512i chosen = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(kPairs[pair]), packed);
            const __m512i plain = _mm512_permutexvar_epi16(chosen, table);
            const __mmask32 is_not_zero = _mm512_test_epi16_mask(plain, size);
            _mm512_store_si512(tile + (line * 4 + pair) * 64, _mm512_mask_add_epi16(plain, is_not_zero, plain, exponents));
        }
    }
}

}  // namespace ostinato

#endif
