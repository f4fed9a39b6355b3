// Panels: how weights lie in memory. Sixteen rows of a matrix stand side by side and are read from front to back, once,
// so that a matrix times a vector is one stream from memory. A line of 64 bytes holds four bytes of each of the rows.
// Inputs are padded with zeros to a multiple of 64, rows to 16.
//
//   int8      per 4 inputs 16 rows x 4 bytes, kept as weight + 128; one float scale a row is kept apart
//   bfloat16  per 2 inputs 16 rows x 2 numbers
//   MXFP4     two panels together: first the scales, per 32 inputs one byte for each of the 32 rows, then per 8 inputs
//             two lines: low nibbles are the first four inputs, high ones the other four
//
// The first two, and MXFP4 once unpacked, are also what AMX takes as the second operand: 16 lines are a tile.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ostinato {

constexpr int kRows = 16;    // rows of a panel
constexpr int kInputs = 64;  // inputs are padded to a multiple of this
constexpr int kGroup = 32;   // inputs that share an MXFP4 scale
constexpr int kOffset = 128; // added to int8 weights

enum class Form : int32_t { kInt8 = 0, kBfloat16 = 1, kMxfp4 = 2 };

inline int round_up(int value, int step) { return (value + step - 1) / step * step; }

inline float from_bfloat16(uint16_t bits) {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
}

inline uint16_t to_bfloat16(float value) {  // to nearest, ties to even; NaN stays NaN
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Of two MXFP4 panels.
inline size_t scale_bytes(int inputs) { return static_cast<size_t>(round_up(inputs, kInputs)) / kGroup * 2 * kRows; }

inline size_t panel_bytes(Form form, int inputs) {
    const size_t padded = round_up(inputs, kInputs);
    switch (form) {
        case Form::kInt8: return padded * kRows;
        case Form::kBfloat16: return padded * kRows * 2;
        default: return scale_bytes(inputs) / 2 + padded * kRows / 2;
    }
}

inline int num_panels(int rows) { return (rows + kRows - 1) / kRows; }

// Pack the rows of one panel; fewer leave the rest zero. `source` holds rows of `inputs` bfloat16.
void pack_bfloat16(const uint16_t* source, int rows, int inputs, uint8_t* panel);

// As above, rounded to int8 by each row's largest value; the scales of the 16 rows go to `scales`.
void pack_int8(const uint16_t* source, int rows, int inputs, uint8_t* panel, float* scales);

// As above two panels, from the published blocks, rows of inputs / 32 groups of 16 bytes, and their scales.
void pack_mxfp4(const uint8_t* blocks, const uint8_t* group_scales, int rows, int inputs, uint8_t* pair);

}  // namespace ostinato
