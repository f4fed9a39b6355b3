// Operand: the input of one matrix, row by row (a row is a token), packed for the matrix's form. Exact rows come first;
// the rest are multiplied in tiles, in groups of 16, where there are tiles.

#pragma once

#include <algorithm>
#include <cmath>

#include "activations.h"

namespace ostinato {

constexpr int kFew = 4;  // tokens that a product of few takes at once

#ifdef __AMX_TILE__
constexpr bool kHasTiles = true;
#else
constexpr bool kHasTiles = false;
#endif

// The rows of one matrix's input, packed for its form.
class Operand {
   public:
    void begin(Form form, int exact, int rows, int inputs) {
        form_ = form, inputs_ = inputs, padded_ = round_up(inputs, kInputs), rows_ = rows;
        exact_ = kHasTiles ? exact : rows;
        groups_ = (rows_ - exact_ + 15) / 16;
        switch (form) {
            case Form::kInt8:
                fixed_.need(static_cast<size_t>(rows) * padded_);
                scales_.need(rows);
                split_.need(static_cast<size_t>(groups_) * padded_ * 32);
                break;
            case Form::kBfloat16:
                plain_.need(static_cast<size_t>(rows) * padded_);
                paired_.need(static_cast<size_t>(groups_) * padded_ * 16);
                break;
            default:
                bytes_.need(static_cast<size_t>(rows) * padded_ * 2);
                scales_.need(static_cast<size_t>(rows) * padded_ / 32);
                corrections_.need(static_cast<size_t>(rows) * padded_ / 32);
        }
    }

    int exact() const { return exact_; }
    int groups() const { return groups_; }
    int rows() const { return rows_; }

    void pack(int row, const float* values) {
        switch (form_) {
            case Form::kInt8: pack_fixed(row, values); break;
            case Form::kBfloat16: pack_plain(row, values); break;
            default: pack_grouped(row, values);
        }
    }

    const int16_t* fixed(int row) const { return fixed_.data() + static_cast<size_t>(row) * padded_; }
    float scale(int row) const { return scales_[row]; }
    const float* plain(int row) const { return plain_.data() + static_cast<size_t>(row) * padded_; }
    GroupedToken grouped(int row) {
        const size_t at = static_cast<size_t>(row) * padded_;
        return {bytes_.data() + at * 2, scales_.data() + at / 32, corrections_.data() + at / 32};
    }
    const uint8_t* split(int group, int part) const {  // 0 the high bytes, 1 the low
        return split_.data() + (static_cast<size_t>(group) * 2 + part) * padded_ * 16;
    }
    const uint8_t* paired(int group) const {
        return reinterpret_cast<const uint8_t*>(paired_.data() + static_cast<size_t>(group) * padded_ * 16);
    }

   private:
    void pack_fixed(int row, const float* values) {
        float largest = 0;
        for (int i = 0; i < inputs_; ++i) largest = std::max(largest, std::fabs(values[i]));
        const float inverse = largest > 0 ? 32512.0f / largest : 0;  // 127 * 256, so that the high byte fits
        scales_[row] = largest / 32512.0f;
        int16_t* fixed = fixed_.data() + static_cast<size_t>(row) * padded_;
        for (int i = 0; i < inputs_; ++i) fixed[i] = static_cast<int16_t>(std::nearbyint(values[i] * inverse));
        std::fill(fixed + inputs_, fixed + padded_, 0);
        if (row < exact_) return;
        row -= exact_;
        uint8_t* high = split_.data() + static_cast<size_t>(row / 16) * 2 * padded_ * 16 + row % 16 * 4;
        uint8_t* low = high + static_cast<size_t>(padded_) * 16;
        for (int i = 0; i < padded_; ++i) {
            const size_t at = static_cast<size_t>(i / 4) * 64 + i % 4;
            high[at] = static_cast<uint8_t>(split_high(fixed[i]));
            low[at] = static_cast<uint8_t>(split_low(fixed[i]));
        }
    }

    void pack_plain(int row, const float* values) {
        float* plain = plain_.data() + static_cast<size_t>(row) * padded_;
        for (int i = 0; i < padded_; ++i)
            plain[i / 32 * 32 + i % 2 * 16 + i % 32 / 2] = i < inputs_ ? from_bfloat16(to_bfloat16(values[i])) : 0;
        if (row < exact_) return;
        row -= exact_;
        uint16_t* paired = paired_.data() + static_cast<size_t>(row / 16) * padded_ * 16 + row % 16 * 2;
        for (int i = 0; i < padded_; ++i) paired[static_cast<size_t>(i / 2) * 32 + i % 2] = i < inputs_ ? to_bfloat16(values[i]) : 0;
    }

    void pack_grouped(int row, const float* values) { pack_grouped_token(grouped(row), values, inputs_); }

   public:
    static void pack_grouped_token(GroupedToken token, const float* values, int inputs) {
        const int groups = round_up(inputs, kInputs) / kGroup;
        for (int group = 0; group < groups; ++group) {
            const int begin = group * kGroup, count = std::max(0, std::min(kGroup, inputs - begin));
            float largest = 0;
            for (int i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[begin + i]));
            const float inverse = largest > 0 ? 32512.0f / largest : 0;
            int32_t sum = 0;
            uint8_t* bytes = token.bytes + group / 2 * 128 + group % 2 * 16;
            for (int i = 0; i < kGroup; ++i) {
                const int value = i < count ? static_cast<int>(std::nearbyint(values[begin + i] * inverse)) : 0;
                sum += value;
                bytes[i % 2 * 32 + i / 2] = static_cast<uint8_t>(split_high(value));
                bytes[64 + i % 2 * 32 + i / 2] = static_cast<uint8_t>(split_low(value));
            }
            token.scales[group] = largest / 32512.0f * 0.5f;
            token.corrections[group] = -12.0f * static_cast<float>(sum);
        }
    }

   private:
    Form form_ = Form::kInt8;
    int inputs_ = 0, padded_ = 0, exact_ = 0, groups_ = 0, rows_ = 0;
    Aligned<int16_t> fixed_;
    Aligned<float> scales_, corrections_, plain_;
    Aligned<uint8_t> bytes_, split_;
    Aligned<uint16_t> paired_;
};

}  // namespace ostinato
