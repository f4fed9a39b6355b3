// Panel times a few tokens with AVX2 and FMA: decoding on most laptops, and reading prompts. Where the processor has
// AVX-VNNI (another build), one instruction takes the place of two or three. A register holds half a line: a lane is a row.

#pragma once

#include <immintrin.h>

#include "activations.h"

namespace ostinato {

constexpr int kLanes = 8, kVectors = kRows / kLanes;
constexpr int kAhead = 2048;  // bytes the panels are fetched ahead; the hardware does not follow them well by itself

inline void fetch_ahead(const uint8_t* address) {
    _mm_prefetch(reinterpret_cast<const char*>(address) + kAhead, _MM_HINT_T0);
}

inline __m256i load(const void* address) { return _mm256_load_si256(static_cast<const __m256i*>(address)); }

inline __m256i four_bytes(const uint8_t* bytes) {  // in every lane
    int32_t four;
    std::memcpy(&four, bytes, 4);
    return _mm256_set1_epi32(four);
}

#ifdef __AVXVNNI__

// sum + four products of unsigned and signed bytes in each lane.
inline __m256i add_products(__m256i sum, __m256i weights, __m256i values) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(weights), "x"(values));  // gcc 12 copies the intrinsic's sum
    return sum;
}

// Exact integer sums, [token][16].
template <int kTokens>
inline void int8_product(const uint8_t* panel, int inputs, const SplitToken* tokens, int64_t* sums) {
    const int lines = round_up(inputs, kInputs) / 4;
    if constexpr (kTokens > 3) {  // that many sums do not fit the registers
        int8_product<3>(panel, inputs, tokens, sums);
        int8_product<kTokens - 3>(panel, inputs, tokens + 3, sums + 3 * kRows);
        return;
    }
    __m256i high[kTokens][kVectors], low[kTokens][kVectors];
    for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < kVectors; ++i) high[t][i] = low[t][i] = _mm256_setzero_si256();
    for (int line = 0; line < lines; ++line) {
        fetch_ahead(panel + line * 64);
        const __m256i first = load(panel + line * 64), second = load(panel + line * 64 + 32);
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t) {
            const __m256i h = four_bytes(tokens[t].bytes + line * 8), l = four_bytes(tokens[t].bytes + line * 8 + 4);
            high[t][0] = add_products(high[t][0], first, h);
            high[t][1] = add_products(high[t][1], second, h);
            low[t][0] = add_products(low[t][0], first, l);
            low[t][1] = add_products(low[t][1], second, l);
        }
    }
    for (int t = 0; t < kTokens; ++t) {
        int64_t offset = 0;
        for (int group = 0; group < lines / 8; ++group) offset += tokens[t].sums[group];
        alignas(32) int32_t highs[kRows], lows[kRows];
        for (int i = 0; i < kVectors; ++i) {
            _mm256_store_si256(reinterpret_cast<__m256i*>(highs) + i, high[t][i]);
            _mm256_store_si256(reinterpret_cast<__m256i*>(lows) + i, low[t][i]);
        }
        for (int row = 0; row < kRows; ++row)
            sums[t * kRows + row] = int64_t{256} * highs[row] + lows[row] - offset * kOffset;
    }
}

#else

// Exact integer sums, [token][16]. Words are multiplied: the sum of two products of bytes would not fit a word.
template <int kTokens>
inline void int8_product(const uint8_t* panel, int inputs, const SplitToken* tokens, int64_t* sums) {
    if constexpr (kTokens > 2) {  // that many sums do not fit the registers
        int8_product<2>(panel, inputs, tokens, sums);
        int8_product<kTokens - 2>(panel, inputs, tokens + 2, sums + 2 * kRows);
        return;
    }
    constexpr int kMost = 256;  // lines whose sums fit: of two products of 127 * 32512 each
    const int lines = round_up(inputs, kInputs) / 4;
    const __m256i offset = _mm256_set1_epi16(kOffset);
    for (int i = 0; i < kTokens * kRows; ++i) sums[i] = 0;
    for (int begin = 0; begin < lines; begin += kMost) {
        const int end = begin + kMost < lines ? begin + kMost : lines;
        __m256i sum[kTokens][4];  // of four rows each, the first two inputs apart from the other two
        for (auto& token : sum)
            for (auto& each : token) each = _mm256_setzero_si256();
        for (int line = begin; line < end; ++line) {
            fetch_ahead(panel + line * 64);
            __m256i values[kTokens];
            for (int t = 0; t < kTokens; ++t) {
                int64_t four;
                std::memcpy(&four, tokens[t].words + line * 4, 8);
                values[t] = _mm256_set1_epi64x(four);
            }
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
                const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(panel + line * 64) + i);
                const __m256i weights = _mm256_sub_epi16(_mm256_cvtepu8_epi16(bytes), offset);
                for (int t = 0; t < kTokens; ++t)
                    sum[t][i] = _mm256_add_epi32(sum[t][i], _mm256_madd_epi16(weights, values[t]));
            }
        }
        for (int t = 0; t < kTokens; ++t)
            for (int i = 0; i < 4; ++i) {
                alignas(32) int32_t pairs[8];
                _mm256_store_si256(reinterpret_cast<__m256i*>(pairs), sum[t][i]);
                for (int row = 0; row < 4; ++row) sums[t * kRows + i * 4 + row] += int64_t{pairs[2 * row]} + pairs[2 * row + 1];
            }
    }
}

#endif

// [token][16]
template <int kTokens>
inline void bfloat16_product(const uint8_t* panel, int inputs, const float* const* tokens, float* sums) {
    if constexpr (kTokens > 4) {  // that many sums do not fit the registers
        bfloat16_product<4>(panel, inputs, tokens, sums);
        bfloat16_product<kTokens - 4>(panel, inputs, tokens + 4, sums + 4 * kRows);
        return;
    }
    constexpr int kChains = kTokens == 1 ? 4 : kTokens == 2 ? 2 : 1;  // independent sums, as a product takes some cycles
    const int lines = round_up(inputs, kInputs) / 2;
    const __m256i odd = _mm256_set1_epi32(static_cast<int>(0xffff0000));
    __m256 sum[kChains][kTokens][kVectors];
    for (auto& chain : sum)
        for (auto& token : chain)
            for (auto& each : token) each = _mm256_setzero_ps();
    for (int begin = 0; begin < lines; begin += 4) {
#pragma GCC unroll 4
        for (int line = begin; line < begin + 4; ++line) {
            fetch_ahead(panel + line * 64);
            auto& chain = sum[(line - begin) % kChains];
#pragma GCC unroll 2
            for (int i = 0; i < kVectors; ++i) {
                const __m256i pairs = load(panel + line * 64 + i * 32);
                const __m256 evens = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
                const __m256 odds = _mm256_castsi256_ps(_mm256_and_si256(pairs, odd));
#pragma GCC unroll 4
                for (int t = 0; t < kTokens; ++t) {
                    chain[t][i] = _mm256_fmadd_ps(evens, _mm256_set1_ps(tokens[t][line * 2]), chain[t][i]);
                    chain[t][i] = _mm256_fmadd_ps(odds, _mm256_set1_ps(tokens[t][line * 2 + 1]), chain[t][i]);
                }
            }
        }
    }
    for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < kVectors; ++i) {
            __m256 total = sum[0][t][i];
            for (int chain = 1; chain < kChains; ++chain) total = _mm256_add_ps(total, sum[chain][t][i]);
            _mm256_storeu_ps(sums + t * kRows + i * kLanes, total);
        }
}

// Twice e2m1, plus 12, for each value of a nibble.
inline __m256i nibble_table() {
    alignas(16) static const uint8_t table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
}

// A group of eight rows, unpacked: by line, the first four inputs and the other four.
struct Unpacked {
    __m256i weights[4][2];
};

inline Unpacked unpack(const uint8_t* nibbles) {
    const __m256i table = nibble_table(), four_bits = _mm256_set1_epi8(15);
    Unpacked group;
#pragma GCC unroll 4
    for (int line = 0; line < 4; ++line) {
        const __m256i packed = load(nibbles + line * 128);
        group.weights[line][0] = _mm256_shuffle_epi8(table, _mm256_and_si256(packed, four_bits));
        group.weights[line][1] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(packed, 4), four_bits));
    }
    return group;
}

// The products of a group of eight rows with its stretch of a token, which is 64 bytes long and has this sum.
inline __m256i group_product(const Unpacked& group, const uint8_t* values, int32_t sum) {
    __m256i low = _mm256_set1_epi32(-12 * sum);
#ifdef __AVXVNNI__
    __m256i high = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int line = 0; line < 4; ++line)
        for (int half = 0; half < 2; ++half) {
            high = add_products(high, group.weights[line][half], four_bytes(values + line * 16 + half * 8));
            low = add_products(low, group.weights[line][half], four_bytes(values + line * 16 + half * 8 + 4));
        }
    return _mm256_add_epi32(low, _mm256_slli_epi32(high, 8));
#else
    const __m256i one = _mm256_set1_epi16(1), high_byte = _mm256_set1_epi16(256);
#pragma GCC unroll 2
    for (int begin = 0; begin < 4; begin += 2) {
        const auto words = [&](int line, int part) {  // the sum of four products of 24 * 128
            const __m256i first = _mm256_maddubs_epi16(group.weights[line][0], four_bytes(values + line * 16 + part * 4));
            const __m256i second = _mm256_maddubs_epi16(group.weights[line][1], four_bytes(values + line * 16 + part * 4 + 8));
            return _mm256_add_epi16(first, second);
        };
        const __m256i highs = _mm256_add_epi16(words(begin, 0), words(begin + 1, 0));
        const __m256i lows = _mm256_add_epi16(words(begin, 1), words(begin + 1, 1));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(highs, high_byte));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(lows, one));
    }
    return low;
#endif
}

// [panel][token][16], of a pair of panels.
template <int kTokens>
inline void mxfp4_product(const uint8_t* pair, int inputs, const SplitToken* tokens, float* sums) {
    const uint8_t* scales = pair;
    const uint8_t* nibbles = pair + scale_bytes(inputs);
    constexpr int kParts = 2 * kVectors;
    __m256 sum[kParts][kTokens];
    for (auto& part : sum)
        for (auto& each : part) each = _mm256_setzero_ps();
    for (int group = 0; group < inputs / kGroup; ++group, scales += 2 * kRows, nibbles += 512) {
        for (int line = 0; line < 8; ++line) fetch_ahead(nibbles + line * 64);
        if (group % 2 == 0) fetch_ahead(scales);
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part) {
            const Unpacked unpacked = unpack(nibbles + part * 32);
            const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales + part * kLanes));
            const __m256 powers = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu8_epi32(eight), 23));  // 2^-127: zero
#pragma GCC unroll 4
            for (int t = 0; t < kTokens; ++t) {
                const __m256i total = group_product(unpacked, tokens[t].bytes + group * 64, tokens[t].sums[group]);
                sum[part][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), powers, sum[part][t]);
            }
        }
    }
    for (int part = 0; part < kParts; ++part)
        for (int t = 0; t < kTokens; ++t)
            _mm256_storeu_ps(sums + (part / kVectors * kTokens + t) * kRows + part % kVectors * kLanes,
                             _mm256_mul_ps(sum[part][t], _mm256_set1_ps(tokens[t].scale * 0.5f)));
}

}  // namespace ostinato
