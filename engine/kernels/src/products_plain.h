// Panel times a few tokens in plain C++, which compilers turn into whatever vectors the target has.

#pragma once

#include "activations.h"

namespace ostinato {

// Exact integer sums, [token][16].
template <int kTokens>
inline void int8_product(const uint8_t* panel, int inputs, const SplitToken* tokens, int64_t* sums) {
    const int groups = round_up(inputs, kInputs) / kGroup;
    for (int i = 0; i < kTokens * kRows; ++i) sums[i] = 0;
    for (int group = 0; group < groups; ++group)
        for (int t = 0; t < kTokens; ++t) {
            int32_t high[kRows] = {}, low[kRows] = {};
            for (int line = group * 8; line < group * 8 + 8; ++line) {
                const auto* bytes = reinterpret_cast<const int8_t*>(tokens[t].bytes) + line * 8;
                const uint8_t* weights = panel + static_cast<size_t>(line) * 64;
                for (int row = 0; row < kRows; ++row)
                    for (int i = 0; i < 4; ++i) {
                        high[row] += (weights[row * 4 + i] - kOffset) * bytes[i];
                        low[row] += (weights[row * 4 + i] - kOffset) * bytes[4 + i];
                    }
            }
            for (int row = 0; row < kRows; ++row) sums[t * kRows + row] += high[row] * 256 + low[row];
        }
}

// [token][16]. Compiled once, so that its sums are added up in one order wherever it is called.
template <int kTokens>
[[gnu::noinline]] void bfloat16_product(const uint8_t* panel, int inputs, const float* const* tokens, float* sums) {
    for (int i = 0; i < kTokens * kRows; ++i) sums[i] = 0;
    for (int line = 0; line < round_up(inputs, kInputs) / 2; ++line) {
        const auto* weights = reinterpret_cast<const uint16_t*>(panel) + static_cast<size_t>(line) * 32;
        for (int t = 0; t < kTokens; ++t)
            for (int row = 0; row < kRows; ++row)
                sums[t * kRows + row] += from_bfloat16(weights[row * 2]) * tokens[t][line * 2] +
                                         from_bfloat16(weights[row * 2 + 1]) * tokens[t][line * 2 + 1];
    }
}

// [panel][token][16], of a pair of panels.
template <int kTokens>
inline void mxfp4_product(const uint8_t* pair, int inputs, const SplitToken* tokens, float* sums) {
    static const int8_t table[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};  // twice e2m1
    constexpr int kBoth = 2 * kRows;
    for (int i = 0; i < kTokens * kBoth; ++i) sums[i] = 0;
    for (int group = 0; group < inputs / kGroup; ++group) {
        float powers[kBoth];
        for (int row = 0; row < kBoth; ++row) {
            const uint32_t bits = static_cast<uint32_t>(pair[group * kBoth + row]) << 23;
            std::memcpy(powers + row, &bits, 4);
        }
        int8_t weights[4][2][kBoth * 4];
        for (int line = 0; line < 4; ++line) {
            const uint8_t* nibbles = pair + scale_bytes(inputs) + (static_cast<size_t>(group) * 4 + line) * 128;
            for (int i = 0; i < kBoth * 4; ++i) {
                weights[line][0][i] = table[nibbles[i] & 15];
                weights[line][1][i] = table[nibbles[i] >> 4];
            }
        }
        for (int t = 0; t < kTokens; ++t) {
            int32_t high[kBoth] = {}, low[kBoth] = {};
            for (int quad = 0; quad < 8; ++quad) {
                const auto* bytes = reinterpret_cast<const int8_t*>(tokens[t].bytes) + (group * 8 + quad) * 8;
                for (int row = 0; row < kBoth; ++row)
                    for (int i = 0; i < 4; ++i) {
                        high[row] += weights[quad / 2][quad % 2][row * 4 + i] * bytes[i];
                        low[row] += weights[quad / 2][quad % 2][row * 4 + i] * bytes[4 + i];
                    }
            }
            const float half = tokens[t].scale * 0.5f;
            for (int row = 0; row < kBoth; ++row)
                sums[(row / kRows * kTokens + t) * kRows + row % kRows] +=
                    static_cast<float>(high[row] * 256 + low[row]) * powers[row] * half;
        }
    }
}

}  // namespace ostinato
