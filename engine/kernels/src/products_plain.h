// Panel times a few tokens in plain C++, which compilers turn into whatever vectors the target has.

#pragma once

#include "activations.h"

namespace ostinato {

template <int kTokens>
inline void int8_product(const uint8_t* panel, int parts, const int16_t* const* tokens, int64_t* sums) {
    for (int i = 0; i < kTokens * kRows; ++i) sums[i] = 0;
    for (int part = 0; part < parts; ++part)
        for (int row = 0; row < kRows; ++row) {
            const auto* weights = reinterpret_cast<const int8_t*>(panel) + (static_cast<size_t>(part) * kRows + row) * 64;
            for (int t = 0; t < kTokens; ++t) {
                const int16_t* values = tokens[t] + part * 64;
                int32_t sum = 0;
                for (int i = 0; i < 64; ++i) sum += static_cast<int16_t>(weights[i]) * values[i];
                sums[t * kRows + row] += sum;
            }
        }
}

template <int kTokens>
inline void bfloat16_product(const uint8_t* panel, int parts, const float* const* tokens, float* sums) {
    for (int i = 0; i < kTokens * kRows; ++i) sums[i] = 0;
    for (int part = 0; part < 2 * parts; ++part)
        for (int row = 0; row < kRows; ++row) {
            const auto* pairs = reinterpret_cast<const uint32_t*>(panel) + (static_cast<size_t>(part) * kRows + row) * 16;
            float evens[16], odds[16];
            for (int i = 0; i < 16; ++i) {
                const uint32_t even = pairs[i] << 16, odd = pairs[i] & 0xffff0000u;
                std::memcpy(evens + i, &even, 4);
                std::memcpy(odds + i, &odd, 4);
            }
            for (int t = 0; t < kTokens; ++t) {
                const float* values = tokens[t] + part * 32;
                float lanes[16];
                for (int i = 0; i < 16; ++i) lanes[i] = evens[i] * values[i] + odds[i] * values[16 + i];
                float sum = 0;
                for (int i = 0; i < 16; ++i) sum += lanes[i];
                sums[t * kRows + row] += sum;
            }
        }
}

template <int kTokens>
inline void mxfp4_product(const uint8_t* panel, int inputs, const GroupedToken* tokens, float* sums) {
    static const int8_t table[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    const int parts = round_up(inputs, kInputs) / kInputs;
    for (int i = 0; i < kTokens * kRows; ++i) sums[i] = 0;
    for (int part = 0; part < parts; ++part)
        for (int row = 0; row < kRows; ++row) {
            const uint8_t* nibbles = panel + scale_bytes(inputs) + (static_cast<size_t>(part) * kRows + row) * 32;
            int8_t evens[32], odds[32];
            for (int i = 0; i < 32; ++i) {
                evens[i] = table[nibbles[i] & 15];
                odds[i] = table[nibbles[i] >> 4];
            }
            for (int half = 0; half < 2; ++half) {
                uint32_t bits = static_cast<uint32_t>(panel[part * 32 + row * 2 + half]) << 23;
                float power;
                std::memcpy(&power, &bits, 4);
                for (int t = 0; t < kTokens; ++t) {
                    const auto* bytes = reinterpret_cast<const int8_t*>(tokens[t].bytes) + part * 128 + half * 16;
                    int32_t high = 0, low = 0;
                    for (int i = 0; i < 16; ++i) {
                        high += evens[half * 16 + i] * bytes[i] + odds[half * 16 + i] * bytes[32 + i];
                        low += evens[half * 16 + i] * bytes[64 + i] + odds[half * 16 + i] * bytes[96 + i];
                    }
                    sums[t * kRows + row] += (high * 256 + low) * power * tokens[t].scales[2 * part + half];
                }
            }
        }
}

}  // namespace ostinato
