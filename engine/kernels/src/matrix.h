// A dense matrix times the rows of an operand, panel by panel.

#pragma once

#include <type_traits>

#include "operand.h"
#include "products.h"
#include "scratch.h"

namespace ostinato {

template <int kMost, typename Call>
void by_few(int count, Call call) {  // call<n>(begin) for stretches of up to kMost, which is 8 at most
    const auto one_of = [&](auto few, int begin) {
        if constexpr (few.value <= kMost) call(few, begin);
    };
    for (int begin = 0; begin < count; begin += kMost) {
        switch (std::min(kMost, count - begin)) {
            case 1: one_of(std::integral_constant<int, 1>(), begin); break;
            case 2: one_of(std::integral_constant<int, 2>(), begin); break;
            case 3: one_of(std::integral_constant<int, 3>(), begin); break;
            case 4: one_of(std::integral_constant<int, 4>(), begin); break;
            case 5: one_of(std::integral_constant<int, 5>(), begin); break;
            case 6: one_of(std::integral_constant<int, 6>(), begin); break;
            case 7: one_of(std::integral_constant<int, 7>(), begin); break;
            default: one_of(std::integral_constant<int, 8>(), begin);
        }
    }
}

inline float dot(const float* a, const float* b, int count) {
    float lanes[32] = {};
    int i = 0;
    for (; i + 32 <= count; i += 32)
        for (int lane = 0; lane < 32; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
    float sum = 0;
    for (; i < count; ++i) sum += a[i] * b[i];
    for (const float lane : lanes) sum += lane;
    return sum;
}

// Multiply one panel (or two) of a matrix with every row of the operand; `take(panel, row, sums)` gets 16 outputs.
template <typename Take>
void multiply(const ostinato_matrix& matrix, int panel, int panels, Operand& operand, [[maybe_unused]] Scratch& scratch, Take take) {
    const Form form = static_cast<Form>(matrix.form);
    const size_t bytes = panel_bytes(form, matrix.inputs);
    const int padded = round_up(matrix.inputs, kInputs);
    const auto finish = [&](int which, int row, float* sums, float scale) {
        const int first = which * kRows, count = std::min(kRows, matrix.rows - first);
        for (int i = 0; i < kRows; ++i) {
            if (matrix.scales != nullptr) sums[i] *= matrix.scales[first + i] * scale;
            if (matrix.bias != nullptr && i < count) sums[i] += matrix.bias[first + i];
        }
        take(first, count, row, sums);
    };
    for (int which = panel; which < panel + panels; ++which) {
        const uint8_t* weights = matrix.panels + which * bytes;
        by_few<8>(operand.exact(), [&](auto few, int begin) {
            alignas(64) float sums[few.value * kRows];
            if (form == Form::kInt8) {
                int64_t whole[few.value * kRows];
                SplitToken tokens[few.value];
                for (int t = 0; t < few.value; ++t) tokens[t] = operand.split(begin + t);
                int8_product<few.value>(weights, matrix.inputs, tokens, whole);
                for (int i = 0; i < few.value * kRows; ++i) sums[i] = static_cast<float>(whole[i]);
                for (int t = 0; t < few.value; ++t) finish(which, begin + t, sums + t * kRows, operand.scale(begin + t));
            } else {
                const float* tokens[few.value];
                for (int t = 0; t < few.value; ++t) tokens[t] = operand.plain(begin + t);
                bfloat16_product<few.value>(weights, matrix.inputs, tokens, sums);
                for (int t = 0; t < few.value; ++t) finish(which, begin + t, sums + t * kRows, 1.0f);
            }
        });
    }
#ifdef __AMX_TILE__
    scratch.tiles.need(4 * kTile * sizeof(float));
    const uint8_t* const pair[2] = {matrix.panels + panel * bytes, matrix.panels + (panel + panels - 1) * bytes};
    const int count = operand.rows() - operand.exact();
    const auto row_bytes = static_cast<size_t>(operand.padded());
    alignas(64) float sums[kRows];
    if (form == Form::kInt8) {
        auto* products = reinterpret_cast<int32_t*>(scratch.tiles.data());
        int32_t* const targets[2][2] = {{products, products + kTile}, {products + 2 * kTile, products + 3 * kTile}};
        for (int group = 0; group < operand.groups(); ++group) {
            const TileRows both = {{operand.tiles(group, 0), operand.tiles(group, 1)}, row_bytes, 64};
            multiply_int8_tiles(both, pair, padded / 64, true, targets);
            for (int t = 0; t < std::min(16, count - group * 16); ++t) {
                const int row = operand.exact() + group * 16 + t;
                const int64_t offset = operand.total(row) * kOffset;
                for (int which = 0; which < panels; ++which) {
                    for (int i = 0; i < kRows; ++i)
                        sums[i] = static_cast<float>(int64_t{256} * targets[0][which][t * 16 + i] +
                                                     targets[1][which][t * 16 + i] - offset);
                    finish(panel + which, row, sums, operand.scale(row));
                }
            }
        }
    } else {
        auto* products = reinterpret_cast<float*>(scratch.tiles.data());
        float* const targets[2][2] = {{products, products + kTile}, {products + 2 * kTile, products + 3 * kTile}};
        for (int group = 0; group < operand.groups(); group += 2) {
            const uint8_t* last = operand.tiles(std::min(group + 1, operand.groups() - 1));
            multiply_bfloat16_tiles({{operand.tiles(group), last}, row_bytes * 2, 64}, pair, padded / 32, true, targets);
            for (int t = 0; t < std::min(32, count - group * 16); ++t)
                for (int which = 0; which < panels; ++which)
                    finish(panel + which, operand.exact() + group * 16 + t, targets[t / 16][which] + t % 16 * kRows, 1.0f);
        }
    }
#endif
}

}  // namespace ostinato
