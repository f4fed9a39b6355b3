// Panel times a few tokens with AVX-512 and its VNNI: decoding. Bound by memory, so a weight is unpacked once and met by
// several tokens while it is in registers. A register holds a line: a lane is a row.

#pragma once

#include <immintrin.h>

#include "activations.h"

namespace ostinato {

constexpr int kFar = 4096, kNear = 512;  // bytes the panels are fetched ahead, into the second and the first cache

inline void fetch_ahead(const void* address) {
    _mm_prefetch(static_cast<const char*>(address) + kFar, _MM_HINT_T1);
    _mm_prefetch(static_cast<const char*>(address) + kNear, _MM_HINT_T0);
}

inline __m512i four_bytes(const uint8_t* bytes) {  // in every lane
    int32_t four;
    std::memcpy(&four, bytes, 4);
    return _mm512_set1_epi32(four);
}

// Exact integer sums, [token][16].
template <int kTokens>
inline void int8_product(const uint8_t* panel, int inputs, const SplitToken* tokens, int64_t* sums) {
    constexpr int kChains = kTokens == 1 ? 4 : kTokens == 2 ? 2 : 1;  // independent sums, as a product takes some cycles
    const int lines = round_up(inputs, kInputs) / 4;
    __m512i high[kChains][kTokens], low[kChains][kTokens];
    for (int chain = 0; chain < kChains; ++chain)
        for (int t = 0; t < kTokens; ++t) high[chain][t] = low[chain][t] = _mm512_setzero_si512();
    for (int begin = 0; begin < lines; begin += 4) {
#pragma GCC unroll 4
        for (int line = begin; line < begin + 4; ++line) {
            fetch_ahead(panel + line * 64);
            const __m512i weights = _mm512_load_si512(panel + line * 64);
#pragma GCC unroll 8
            for (int t = 0; t < kTokens; ++t) {
                __m512i& h = high[(line - begin) % kChains][t];
                __m512i& l = low[(line - begin) % kChains][t];
                h = _mm512_dpbusd_epi32(h, weights, four_bytes(tokens[t].bytes + line * 8));
                l = _mm512_dpbusd_epi32(l, weights, four_bytes(tokens[t].bytes + line * 8 + 4));
            }
        }
    }
    for (int t = 0; t < kTokens; ++t) {
        int64_t offset = 0;
        for (int group = 0; group < lines / 8; ++group) offset += tokens[t].sums[group];
        for (int chain = 1; chain < kChains; ++chain) {
            high[0][t] = _mm512_add_epi32(high[0][t], high[chain][t]);
            low[0][t] = _mm512_add_epi32(low[0][t], low[chain][t]);
        }
        alignas(64) int32_t highs[kRows], lows[kRows];
        _mm512_store_si512(highs, high[0][t]);
        _mm512_store_si512(lows, low[0][t]);
        for (int row = 0; row < kRows; ++row)
            sums[t * kRows + row] = int64_t{256} * highs[row] + lows[row] - offset * kOffset;
    }
}

// [token][16]
template <int kTokens>
inline void bfloat16_product(const uint8_t* panel, int inputs, const float* const* tokens, float* sums) {
    const int lines = round_up(inputs, kInputs) / 2;
    const __m512i odd = _mm512_set1_epi32(static_cast<int>(0xffff0000));
    __m512 sum[2][2][kTokens];
    for (auto& chain : sum)
        for (auto& half : chain)
            for (auto& each : half) each = _mm512_setzero_ps();
    for (int begin = 0; begin < lines; begin += 4) {
#pragma GCC unroll 4
        for (int line = begin; line < begin + 4; ++line) {
            fetch_ahead(panel + line * 64);
            const __m512i pairs = _mm512_load_si512(panel + line * 64);
            const __m512 evens = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
            const __m512 odds = _mm512_castsi512_ps(_mm512_and_si512(pairs, odd));
            auto& chain = sum[(line - begin) % 2];
#pragma GCC unroll 8
            for (int t = 0; t < kTokens; ++t) {
                chain[0][t] = _mm512_fmadd_ps(evens, _mm512_set1_ps(tokens[t][line * 2]), chain[0][t]);
                chain[1][t] = _mm512_fmadd_ps(odds, _mm512_set1_ps(tokens[t][line * 2 + 1]), chain[1][t]);
            }
        }
    }
    for (int t = 0; t < kTokens; ++t) {
        const __m512 first = _mm512_add_ps(sum[0][0][t], sum[0][1][t]), second = _mm512_add_ps(sum[1][0][t], sum[1][1][t]);
        _mm512_storeu_ps(sums + t * kRows, _mm512_add_ps(first, second));
    }
}

// Twice e2m1, plus 12, for each value of a nibble; a byte's upper bits do not matter.
inline __m512i nibble_table() {
    alignas(64) static const uint8_t table[64] = {
        12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0, 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0,
        12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0, 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return _mm512_load_si512(table);
}

inline __m512i looked_up(__m512i table, __m512i nibbles) {
#ifdef __AVX512VBMI__
    return _mm512_permutexvar_epi8(nibbles, table);
#else
    return _mm512_shuffle_epi8(table, _mm512_and_si512(nibbles, _mm512_set1_epi8(15)));
#endif
}

inline __m512 powers_of_two(const uint8_t* scales) {  // 16 of them; 2^-127 becomes zero
    const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(scales));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), 23));
}

// [panel][token][16], of a pair of panels.
template <int kTokens>
inline void mxfp4_product(const uint8_t* pair, int inputs, const SplitToken* tokens, float* sums) {
    const uint8_t* scales = pair;
    const uint8_t* nibbles = pair + scale_bytes(inputs);
    const __m512i table = nibble_table();
    __m512 sum[2][kTokens];
    for (auto& panel : sum)
        for (auto& each : panel) each = _mm512_setzero_ps();
    for (int group = 0; group < inputs / kGroup; ++group, scales += 2 * kRows, nibbles += 512) {
        __m512i high[2][kTokens], low[2][kTokens];
        for (int which = 0; which < 2; ++which)
            for (int t = 0; t < kTokens; ++t) {
                high[which][t] = _mm512_setzero_si512();
                low[which][t] = _mm512_set1_epi32(-12 * tokens[t].sums[group]);
            }
#pragma GCC unroll 4
        for (int line = 0; line < 4; ++line) {
            __m512i first[2], second[2];
#pragma GCC unroll 2
            for (int which = 0; which < 2; ++which) {
                const uint8_t* address = nibbles + line * 128 + which * 64;
                fetch_ahead(address);
                const __m512i packed = _mm512_load_si512(address);
                first[which] = looked_up(table, packed);
                second[which] = looked_up(table, _mm512_srli_epi16(packed, 4));
            }
#pragma GCC unroll 8
            for (int t = 0; t < kTokens; ++t) {
                const uint8_t* values = tokens[t].bytes + (group * 4 + line) * 16;
                const __m512i a = four_bytes(values), b = four_bytes(values + 4);
                const __m512i c = four_bytes(values + 8), d = four_bytes(values + 12);
#pragma GCC unroll 2
                for (int which = 0; which < 2; ++which) {
                    high[which][t] = _mm512_dpbusd_epi32(high[which][t], first[which], a);
                    low[which][t] = _mm512_dpbusd_epi32(low[which][t], first[which], b);
                    high[which][t] = _mm512_dpbusd_epi32(high[which][t], second[which], c);
                    low[which][t] = _mm512_dpbusd_epi32(low[which][t], second[which], d);
                }
            }
        }
        if (group % 2 == 0) fetch_ahead(scales);
#pragma GCC unroll 2
        for (int which = 0; which < 2; ++which) {
            const __m512 powers = powers_of_two(scales + which * kRows);
#pragma GCC unroll 8
            for (int t = 0; t < kTokens; ++t) {
                const __m512i total = _mm512_add_epi32(_mm512_slli_epi32(high[which][t], 8), low[which][t]);
                sum[which][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(total), powers, sum[which][t]);
            }
        }
    }
    for (int which = 0; which < 2; ++which)
        for (int t = 0; t < kTokens; ++t)
            _mm512_storeu_ps(sums + (which * kTokens + t) * kRows,
                             _mm512_mul_ps(sum[which][t], _mm512_set1_ps(tokens[t].scale * 0.5f)));
}

}  // namespace ostinato
