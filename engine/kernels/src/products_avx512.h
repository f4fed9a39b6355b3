// Panel times a few tokens with AVX-512 (VBMI, VNNI): decoding. Bound by memory, so a weight is unpacked once and met by
// up to four tokens while it is in registers.

#pragma once

#include <immintrin.h>

#include "activations.h"

namespace ostinato {

constexpr int kAhead = 2048;  // bytes the panels are fetched ahead; the hardware does not follow them well by itself

inline void fetch_ahead(const void* address) {
    _mm_prefetch(static_cast<const char*>(address) + kAhead, _MM_HINT_T0);
}

inline int64_t wide_sum(__m512i numbers) {
    const __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(numbers));
    const __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(numbers, 1));
    return _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
}

// Exact integer sums, [token][16].
template <int kTokens>
inline void int8_product(const uint8_t* panel, int parts, const int16_t* const* tokens, int64_t* sums) {
    constexpr int kStep = kTokens == 1 ? 16 : kTokens == 2 ? 8 : 4;  // rows whose sums fit the registers
    for (int first = 0; first < kRows; first += kStep) {
        __m512i sum[kStep][kTokens];
        for (auto& row : sum)
            for (auto& each : row) each = _mm512_setzero_si512();
        const uint8_t* weights = panel + first * 64;
        for (int part = 0; part < parts; ++part, weights += kRows * 64) {
            __m512i low[kTokens], high[kTokens];
            for (int t = 0; t < kTokens; ++t) {
                low[t] = _mm512_load_si512(tokens[t] + part * 64);
                high[t] = _mm512_load_si512(tokens[t] + part * 64 + 32);
            }
#pragma GCC unroll 16
            for (int row = 0; row < kStep; ++row) {
                const auto* bytes = reinterpret_cast<const __m256i*>(weights + row * 64);
                fetch_ahead(bytes);
                const __m512i first_half = _mm512_cvtepi8_epi16(_mm256_load_si256(bytes));
                const __m512i second_half = _mm512_cvtepi8_epi16(_mm256_load_si256(bytes + 1));
                for (int t = 0; t < kTokens; ++t) {
                    sum[row][t] = _mm512_dpwssd_epi32(sum[row][t], first_half, low[t]);
                    sum[row][t] = _mm512_dpwssd_epi32(sum[row][t], second_half, high[t]);
                }
            }
        }
        for (int row = 0; row < kStep; ++row)
            for (int t = 0; t < kTokens; ++t) sums[t * kRows + first + row] = wide_sum(sum[row][t]);
    }
}

// [token][16]; tokens are float, in the order of the panel's pairs: 16 even inputs, then 16 odd ones, per 32.
template <int kTokens>
inline void bfloat16_product(const uint8_t* panel, int parts, const float* const* tokens, float* sums) {
    constexpr int kStep = kTokens == 1 ? 16 : kTokens == 2 ? 8 : 4;
    const __m512i odd = _mm512_set1_epi32(static_cast<int>(0xffff0000));
    for (int first = 0; first < kRows; first += kStep) {
        __m512 sum[kStep][kTokens];
        for (auto& row : sum)
            for (auto& each : row) each = _mm512_setzero_ps();
        const uint8_t* weights = panel + first * 64;
        for (int part = 0; part < 2 * parts; ++part, weights += kRows * 64) {
#pragma GCC unroll 16
            for (int row = 0; row < kStep; ++row) {
                fetch_ahead(weights + row * 64);
                const __m512i pairs = _mm512_load_si512(weights + row * 64);
                const __m512 evens = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
                const __m512 odds = _mm512_castsi512_ps(_mm512_and_si512(pairs, odd));
                for (int t = 0; t < kTokens; ++t) {
                    sum[row][t] = _mm512_fmadd_ps(evens, _mm512_load_ps(tokens[t] + part * 32), sum[row][t]);
                    sum[row][t] = _mm512_fmadd_ps(odds, _mm512_load_ps(tokens[t] + part * 32 + 16), sum[row][t]);
                }
            }
        }
        for (int row = 0; row < kStep; ++row)
            for (int t = 0; t < kTokens; ++t) sums[t * kRows + first + row] = _mm512_reduce_add_ps(sum[row][t]);
    }
}

// Twice e2m1, plus 12, for each value of a nibble; a byte's upper bits do not matter.
inline __m512i nibble_table() {
    alignas(64) static const uint8_t table[64] = {
        12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0, 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0,
        12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0, 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return _mm512_load_si512(table);
}

inline __m512 powers_of_two(const uint8_t* scales) {  // 16 of them; 2^-127 becomes zero
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), 23));
}

inline float sum_of_half(__m512 values, bool is_upper) {
    const __m256 half = is_upper ? _mm512_extractf32x8_ps(values, 1) : _mm512_castps512_ps256(values);
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

// [token][16]. A register holds 64 inputs of two rows; eight rows (a half of the panel) share one register of scales.
template <int kTokens>
inline void mxfp4_product(const uint8_t* panel, int inputs, const GroupedToken* tokens, float* sums) {
    const int parts = round_up(inputs, kInputs) / kInputs;
    const __m512i table = nibble_table();
    const __m512i next_row_pair = _mm512_set1_epi32(4);
    const __m512i first_row_pair = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    constexpr int kHalves = kTokens == 1 ? 2 : 1;  // halves of the panel that are summed at once
    for (int begin = 0; begin < 2; begin += kHalves) {
        __m512 sum[kHalves][4][kTokens], correction[kHalves][kTokens];
        for (int half = 0; half < kHalves; ++half)
            for (int t = 0; t < kTokens; ++t) {
                correction[half][t] = _mm512_setzero_ps();
                for (int pair = 0; pair < 4; ++pair) sum[half][pair][t] = _mm512_setzero_ps();
            }
        const uint8_t* scales = panel + begin * 16;
        const uint8_t* nibbles = panel + scale_bytes(inputs) + begin * 256;
        for (int part = 0; part < parts; ++part, scales += 32, nibbles += 512) {
            if (begin == 0) _mm_prefetch(reinterpret_cast<const char*>(scales) + panel_bytes(Form::kMxfp4, inputs), _MM_HINT_T1);
#pragma GCC unroll 2
            for (int half = 0; half < kHalves; ++half) {
                const __m512 powers = powers_of_two(scales + half * 16);
                __m512 scale[kTokens];
                for (int t = 0; t < kTokens; ++t) {
                    const auto both = [&](const float* pair) {
                        return _mm512_castpd_ps(_mm512_set1_pd(*reinterpret_cast<const double*>(pair + 2 * part)));
                    };
                    scale[t] = _mm512_mul_ps(powers, both(tokens[t].scales));
                    correction[half][t] = _mm512_fmadd_ps(scale[t], both(tokens[t].corrections), correction[half][t]);
                }
                __m512i chosen = first_row_pair;
#pragma GCC unroll 4
                for (int pair = 0; pair < 4; ++pair) {
                    const uint8_t* address = nibbles + (half * 4 + pair) * 64;
                    fetch_ahead(address);
                    const __m512i packed = _mm512_load_si512(address);
                    const __m512i evens = _mm512_permutexvar_epi8(packed, table);
                    const __m512i odds = _mm512_permutexvar_epi8(_mm512_srli_epi16(packed, 4), table);
                    for (int t = 0; t < kTokens; ++t) {
                        const auto piece = [&](int i) {
                            const auto* bytes = reinterpret_cast<const __m256i*>(tokens[t].bytes + part * 128 + i * 32);
                            return _mm512_broadcast_i64x4(_mm256_load_si256(bytes));
                        };
                        __m512i high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), evens, piece(0));
                        __m512i low = _mm512_dpbusd_epi32(_mm512_setzero_si512(), evens, piece(2));
                        high = _mm512_dpbusd_epi32(high, odds, piece(1));
                        low = _mm512_dpbusd_epi32(low, odds, piece(3));
                        const __m512 total = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low));
                        const __m512 factors = _mm512_permutexvar_ps(chosen, scale[t]);
                        sum[half][pair][t] = _mm512_fmadd_ps(total, factors, sum[half][pair][t]);
                    }
                    chosen = _mm512_add_epi32(chosen, next_row_pair);
                }
            }
        }
        for (int half = 0; half < kHalves; ++half)
            for (int t = 0; t < kTokens; ++t) {
                alignas(64) float rest[16];
                _mm512_store_ps(rest, correction[half][t]);
                for (int row = 0; row < 8; ++row)
                    sums[t * kRows + (begin + half) * 8 + row] =
                        sum_of_half(sum[half][row / 2][t], row % 2) + rest[2 * row] + rest[2 * row + 1];
            }
    }
}

}  // namespace ostinato
