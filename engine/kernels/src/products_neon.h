// Panel times a few tokens with NEON, by its products of four bytes (`sdot`) where the build may use them. A register
// holds a quarter of a line: a lane is a row. Weights are turned into signed bytes, as the tokens' are.

#pragma once

#include <arm_neon.h>

#include "activations.h"

namespace ostinato {

constexpr int kLanes = 4, kVectors = kRows / kLanes;

inline void fetch_ahead(const uint8_t* address) { __builtin_prefetch(address + 2048); }

inline int8x16_t load(const void* address) { return vld1q_s8(static_cast<const int8_t*>(address)); }

// sum + in each lane the four products of its bytes and those of one lane of `values`.
template <int kLane>
inline int32x4_t add_products(int32x4_t sum, int8x16_t weights, int8x16_t values) {
#ifdef __ARM_FEATURE_DOTPROD
    return vdotq_laneq_s32(sum, weights, values, kLane);
#else
    const int8x16_t four = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(values), kLane));
    const int16x8_t first = vmull_s8(vget_low_s8(weights), vget_low_s8(four)), second = vmull_high_s8(weights, four);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(first), vpaddlq_s16(second)));
#endif
}

// Exact integer sums, [token][16].
template <int kTokens>
inline void int8_product(const uint8_t* panel, int inputs, const SplitToken* tokens, int64_t* sums) {
    if constexpr (kTokens > 2) {  // that many sums do not fit the registers
        int8_product<2>(panel, inputs, tokens, sums);
        int8_product<kTokens - 2>(panel, inputs, tokens + 2, sums + 2 * kRows);
        return;
    }
    const int8x16_t sign = vdupq_n_s8(-128);  // w + 128 without its highest bit flipped is w
    int32x4_t high[kTokens][kVectors], low[kTokens][kVectors];
    for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < kVectors; ++i) high[t][i] = low[t][i] = vdupq_n_s32(0);
    for (int line = 0; line < round_up(inputs, kInputs) / 4; line += 2) {
        fetch_ahead(panel + line * 64);
        fetch_ahead(panel + line * 64 + 64);
        int8x16_t values[kTokens];  // of this line high and low, of the next high and low
        for (int t = 0; t < kTokens; ++t) values[t] = load(tokens[t].bytes + line * 8);
#pragma GCC unroll 4
        for (int i = 0; i < kVectors; ++i) {
            const int8x16_t first = veorq_s8(load(panel + line * 64 + i * 16), sign);
            const int8x16_t second = veorq_s8(load(panel + line * 64 + 64 + i * 16), sign);
#pragma GCC unroll 2
            for (int t = 0; t < kTokens; ++t) {
                high[t][i] = add_products<0>(high[t][i], first, values[t]);
                low[t][i] = add_products<1>(low[t][i], first, values[t]);
                high[t][i] = add_products<2>(high[t][i], second, values[t]);
                low[t][i] = add_products<3>(low[t][i], second, values[t]);
            }
        }
    }
    for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < kVectors; ++i) {
            int32_t highs[kLanes], lows[kLanes];
            vst1q_s32(highs, high[t][i]);
            vst1q_s32(lows, low[t][i]);
            for (int row = 0; row < kLanes; ++row) sums[t * kRows + i * kLanes + row] = int64_t{256} * highs[row] + lows[row];
        }
}

// [token][16]
template <int kTokens>
inline void bfloat16_product(const uint8_t* panel, int inputs, const float* const* tokens, float* sums) {
    if constexpr (kTokens > 4) {  // that many sums do not fit the registers
        bfloat16_product<4>(panel, inputs, tokens, sums);
        bfloat16_product<kTokens - 4>(panel, inputs, tokens + 4, sums + 4 * kRows);
        return;
    }
    const uint32x4_t odd = vdupq_n_u32(0xffff0000u);
    float32x4_t sum[kTokens][kVectors];
    for (auto& token : sum)
        for (auto& each : token) each = vdupq_n_f32(0);
    for (int line = 0; line < round_up(inputs, kInputs) / 2; line += 2) {
        fetch_ahead(panel + line * 64);
        fetch_ahead(panel + line * 64 + 64);
        float32x4_t values[kTokens];  // of this line and the next
        for (int t = 0; t < kTokens; ++t) values[t] = vld1q_f32(tokens[t] + line * 2);
#pragma GCC unroll 4
        for (int i = 0; i < kVectors; ++i) {
            const uint32x4_t first = vreinterpretq_u32_s8(load(panel + line * 64 + i * 16));
            const uint32x4_t second = vreinterpretq_u32_s8(load(panel + line * 64 + 64 + i * 16));
#pragma GCC unroll 4
            for (int t = 0; t < kTokens; ++t) {
                sum[t][i] = vfmaq_laneq_f32(sum[t][i], vreinterpretq_f32_u32(vshlq_n_u32(first, 16)), values[t], 0);
                sum[t][i] = vfmaq_laneq_f32(sum[t][i], vreinterpretq_f32_u32(vandq_u32(first, odd)), values[t], 1);
                sum[t][i] = vfmaq_laneq_f32(sum[t][i], vreinterpretq_f32_u32(vshlq_n_u32(second, 16)), values[t], 2);
                sum[t][i] = vfmaq_laneq_f32(sum[t][i], vreinterpretq_f32_u32(vandq_u32(second, odd)), values[t], 3);
            }
        }
    }
    for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < kVectors; ++i) vst1q_f32(sums + t * kRows + i * kLanes, sum[t][i]);
}

// [panel][token][16], of a pair of panels.
template <int kTokens>
inline void mxfp4_product(const uint8_t* pair, int inputs, const SplitToken* tokens, float* sums) {
    static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};  // twice e2m1
    const int8x16_t table = vld1q_s8(doubled);
    const uint8x16_t four_bits = vdupq_n_u8(15);
    const uint8_t* scales = pair;
    const uint8_t* nibbles = pair + scale_bytes(inputs);
    constexpr int kParts = 2 * kVectors;
    float32x4_t sum[kParts][kTokens];
    for (auto& part : sum)
        for (auto& each : part) each = vdupq_n_f32(0);
    for (int group = 0; group < inputs / kGroup; ++group, scales += 2 * kRows, nibbles += 512) {
        for (int line = 0; line < 8; ++line) fetch_ahead(nibbles + line * 64);
        if (group % 2 == 0) fetch_ahead(scales);
        int8x16_t values[kTokens][4];  // of eight inputs: high and low of the first four, then of the others
        for (int t = 0; t < kTokens; ++t)
            for (int line = 0; line < 4; ++line) values[t][line] = load(tokens[t].bytes + group * 64 + line * 16);
        const uint8x16_t bytes[2] = {vld1q_u8(scales), vld1q_u8(scales + kRows)};
        const uint16x8_t wide[4] = {vmovl_u8(vget_low_u8(bytes[0])), vmovl_high_u8(bytes[0]),
                                    vmovl_u8(vget_low_u8(bytes[1])), vmovl_high_u8(bytes[1])};
#pragma GCC unroll 8
        for (int part = 0; part < kParts; ++part) {
            int32x4_t high[kTokens], low[kTokens];
            for (int t = 0; t < kTokens; ++t) high[t] = low[t] = vdupq_n_s32(0);
#pragma GCC unroll 4
            for (int line = 0; line < 4; ++line) {
                const uint8x16_t packed = vld1q_u8(nibbles + line * 128 + part * 16);
                const int8x16_t first = vqtbl1q_s8(table, vandq_u8(packed, four_bits));
                const int8x16_t second = vqtbl1q_s8(table, vshrq_n_u8(packed, 4));
#pragma GCC unroll 4
                for (int t = 0; t < kTokens; ++t) {
                    high[t] = add_products<0>(high[t], first, values[t][line]);
                    low[t] = add_products<1>(low[t], first, values[t][line]);
                    high[t] = add_products<2>(high[t], second, values[t][line]);
                    low[t] = add_products<3>(low[t], second, values[t][line]);
                }
            }
            const uint16x4_t four = part % 2 == 0 ? vget_low_u16(wide[part / 2]) : vget_high_u16(wide[part / 2]);
            const float32x4_t powers = vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(four), 23));  // 2^-127 becomes zero
            for (int t = 0; t < kTokens; ++t) {
                const int32x4_t total = vaddq_s32(vshlq_n_s32(high[t], 8), low[t]);
                sum[part][t] = vfmaq_f32(sum[part][t], vcvtq_f32_s32(total), powers);
            }
        }
    }
    for (int part = 0; part < kParts; ++part)
        for (int t = 0; t < kTokens; ++t)
            vst1q_f32(sums + (part / kVectors * kTokens + t) * kRows + part % kVectors * kLanes,
                      vmulq_n_f32(sum[part][t], tokens[t].scale * 0.5f));
}

}  // namespace ostinato
