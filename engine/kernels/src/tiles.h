// Panel times many tokens with AMX: reading a prompt. Weights are the first operand (16 rows of 64 bytes, as they lie in
// a panel), tokens the second, in groups of 16; a product is 16 rows by 16 tokens.
//
// Two panels meet two operands at a time, so that each of the eight tile registers is used: four products, two of each
// operand. Unpacked MXFP4 weights live a stretch of inputs at a time in a scratch that fits the first-level cache.

#pragma once

#ifdef __AMX_TILE__

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "activations.h"

namespace ostinato {

constexpr int kTile = 256;           // numbers of a product
constexpr int kStretch = 16;         // tiles unpacked at a time

inline bool may_use_tiles() {  // Linux gives the large registers on request
    constexpr int kRequest = 0x1023, kTileData = 18;
    static const bool granted = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
    return granted;
}

inline void configure_tiles() {
    struct alignas(64) {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shape;
    asm volatile("" : : "r"(&shape) : "memory");  // gcc 12 drops the stores before the load otherwise
    _tile_loadconfig(&shape);
}

// sums[panel][operand] += panels x operands over `count` tiles; `Multiply` is the tile product of the number's kind.
// Panels lie `weight_step` bytes a tile, operands 1024.
#define OSTINATO_TILES(name, multiply, element)                                                                      \
    inline void name(const uint8_t* const* panels, const uint8_t* const* operands, int count, bool is_first,         \
                     element* const (*sums)[2]) {                                                                   \
        if (is_first) {                                                                                              \
            _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);                                              \
        } else {                                                                                                     \
            _tile_loadd(0, sums[0][0], 64); _tile_loadd(1, sums[0][1], 64);                                          \
            _tile_loadd(2, sums[1][0], 64); _tile_loadd(3, sums[1][1], 64);                                          \
        }                                                                                                            \
        for (int i = 0; i < count; ++i) {                                                                            \
            const size_t at = static_cast<size_t>(i) * 1024;                                                         \
            _tile_loadd(4, panels[0] + at, 64);                                                                      \
            _tile_loadd(6, operands[0] + at, 64);                                                                    \
            multiply(0, 4, 6);                                                                                       \
            _tile_loadd(7, operands[1] + at, 64);                                                                    \
            multiply(1, 4, 7);                                                                                       \
            _tile_loadd(5, panels[1] + at, 64);                                                                      \
            multiply(2, 5, 6);                                                                                       \
            multiply(3, 5, 7);                                                                                       \
        }                                                                                                            \
        _tile_stored(0, sums[0][0], 64); _tile_stored(1, sums[0][1], 64);                                            \
        _tile_stored(2, sums[1][0], 64); _tile_stored(3, sums[1][1], 64);                                            \
    }
OSTINATO_TILES(multiply_int8_tiles, _tile_dpbssd, int32_t)
OSTINATO_TILES(multiply_bfloat16_tiles, _tile_dpbf16ps, float)
#undef OSTINATO_TILES

// Unpack 32 inputs of the 16 rows of an MXFP4 panel, from input 32 * group on, into a bfloat16 tile. Exact.
inline void unpack_tile(const uint8_t* panel, int inputs, int group, uint8_t* tile) {
    alignas(64) static const uint16_t values[32] = {
        0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0x8000, 0xbf00, 0xbf80, 0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0,
        0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0x8000, 0xbf00, 0xbf80, 0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0};
    constexpr __mmask32 kNotZero = 0xfefefefe;
    const __m512i table = _mm512_load_si512(values);
    const uint8_t* scales = panel + (group / 2) * 32 + group % 2;
    const uint8_t* nibbles = panel + scale_bytes(inputs) + static_cast<size_t>(group / 2) * 512 + group % 2 * 16;
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
        const auto exponent = static_cast<int16_t>((scales[row * 2] - 127) << 7);
        const __m512i scaled = _mm512_mask_add_epi16(table, kNotZero, table, _mm512_set1_epi16(exponent));
        const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(nibbles + row * 32));
        const __m512i low = _mm512_cvtepu8_epi32(bytes);
        const __m512i pairs = _mm512_or_si512(low, _mm512_slli_epi32(low, 12));
        _mm512_store_si512(tile + row * 64, _mm512_permutexvar_epi16(pairs, scaled));
    }
}

}  // namespace ostinato

#endif
