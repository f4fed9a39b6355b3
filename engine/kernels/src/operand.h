// Operand: the input of one matrix, row by row (a row is a token), packed for the matrix's form. Exact rows come first;
// the rest are multiplied in tiles, in groups of 16, where there are tiles.

#pragma once

#include <algorithm>
#include <cmath>

#include "activations.h"
#include "split.h"

namespace ostinato {

#ifdef __AMX_TILE__
constexpr bool kHasTiles = true;
#else
constexpr bool kHasTiles = false;
#endif

constexpr int kMany = 4;  // rows from which on tiles are faster

class Operand {
   public:
    void begin(Form form, int exact, int rows, int inputs) {
        form_ = form, inputs_ = inputs, padded_ = round_up(inputs, kInputs), rows_ = rows;
        exact_ = !kHasTiles ? rows : form == Form::kInt8 && rows >= kMany ? 0 : exact;  // int8 tiles are as exact
        const size_t tiled = static_cast<size_t>(groups()) * 16 * padded_;
        if (form == Form::kBfloat16) {
            plain_.need(static_cast<size_t>(exact_) * padded_);
            tiled_.need(tiled * 2);
        } else {
            fixed_.need(static_cast<size_t>(rows) * padded_);
            bytes_.need(static_cast<size_t>(exact_) * padded_ * 2);
            sums_.need(static_cast<size_t>(exact_) * padded_ / kGroup);
            scales_.need(rows);
            totals_.need(rows);
            tiled_.need(tiled * 2);
        }
    }

    int exact() const { return exact_; }
    int groups() const { return (rows_ - exact_ + 15) / 16; }
    int rows() const { return rows_; }

    void pack(int row, const float* values) {
        if (form_ == Form::kBfloat16) {
            if (row < exact_) pack_plain(plain_.data() + static_cast<size_t>(row) * padded_, values);
            else to_bfloat16s(values, inputs_, padded_, bfloat16s(row - exact_));
            return;
        }
        int16_t* fixed = fixed_.data() + static_cast<size_t>(row) * padded_;
        scales_[row] = round_to_fixed(values, fixed);
        int64_t total = 0;
        for (int i = 0; i < inputs_; ++i) total += fixed[i];
        totals_[row] = total;
        if (row < exact_) split_values(fixed, padded_, bytes_.data() + static_cast<size_t>(row) * padded_ * 2, sums_.data() + row * (padded_ / kGroup));
        else split_apart(fixed, high_bytes(row - exact_), high_bytes(row - exact_) + padded_ * 16);
    }

    SplitToken split(int row) const {
        const size_t begin = static_cast<size_t>(row) * padded_;
        return {bytes_.data() + begin * 2, fixed_.data() + begin, sums_.data() + begin / kGroup, scales_[row]};
    }
    float scale(int row) const { return scales_[row]; }
    int64_t total(int row) const { return totals_[row]; }  // of the values, before scaling
    const float* plain(int row) const { return plain_.data() + static_cast<size_t>(row) * padded_; }

    // The rows of a group of tiles, each as long as the padded inputs: of bfloat16, or of high (part 0) or low bytes.
    const uint8_t* tiles(int group, int part = 0) const {
        return tiled_.data() + static_cast<size_t>(group) * 32 * padded_ + part * padded_ * 16;
    }
    int padded() const { return padded_; }

   private:
    uint16_t* bfloat16s(int row) { return reinterpret_cast<uint16_t*>(tiled_.data()) + static_cast<size_t>(row) * padded_; }
    uint8_t* high_bytes(int row) {
        return tiled_.data() + (static_cast<size_t>(row / 16) * 32 + row % 16) * padded_;
    }

    void pack_plain(float* plain, const float* values) const {
        for (int i = 0; i < inputs_; ++i) plain[i] = from_bfloat16(to_bfloat16(values[i]));
        std::fill(plain + inputs_, plain + padded_, 0.0f);
    }

    float round_to_fixed(const float* values, int16_t* fixed) const {
        constexpr float kMost = 127 * 256;  // so that the high byte fits
        float largest = 0;
        for (int i = 0; i < inputs_; ++i) largest = std::max(largest, std::fabs(values[i]));
        const float inverse = largest > 0 ? kMost / largest : 0;
        for (int i = 0; i < inputs_; ++i) fixed[i] = static_cast<int16_t>(std::nearbyint(values[i] * inverse));
        std::fill(fixed + inputs_, fixed + padded_, 0);
        return largest / kMost;
    }

    void split_apart(const int16_t* fixed, uint8_t* high, uint8_t* low) const {
        for (int i = 0; i < padded_; ++i) {
            high[i] = static_cast<uint8_t>(split_high(fixed[i]));
            low[i] = static_cast<uint8_t>(split_low(fixed[i]));
        }
    }

   public:
    static void to_bfloat16s(const float* values, int count, int padded, uint16_t* out) {
        for (int i = 0; i < count; ++i) out[i] = to_bfloat16(values[i]);
        std::fill(out + count, out + padded, 0);
    }

   private:
    Form form_ = Form::kInt8;
    int inputs_ = 0, padded_ = 0, exact_ = 0, rows_ = 0;
    Aligned<int16_t> fixed_;
    Aligned<float> scales_, plain_;
    Aligned<int32_t> sums_;
    Aligned<int64_t> totals_;
    Aligned<uint8_t> bytes_, tiled_;
};

}  // namespace ostinato
