#include "panels.h"

#include <algorithm>
#include <vector>

namespace ostinato {

void pack_bfloat16(const uint16_t* source, int rows, int inputs, uint8_t* panel) {
    std::memset(panel, 0, panel_bytes(Form::kBfloat16, inputs));
    auto* lines = reinterpret_cast<uint32_t*>(panel);
    for (int begin = 0; begin < inputs; begin += 2)
        for (int row = 0; row < rows; ++row)
            std::memcpy(lines + static_cast<size_t>(begin / 2) * kRows + row,
                        source + static_cast<size_t>(row) * inputs + begin, 4);
}

void pack_int8(const uint16_t* source, int rows, int inputs, uint8_t* panel, float* scales) {
    constexpr float kWhole = 12582912.0f;  // 1.5 * 2^23: a sum with it has the nearest whole number as its lowest bits
    std::memset(panel, kOffset, panel_bytes(Form::kInt8, inputs));
    std::fill(scales, scales + kRows, 0.0f);
    std::vector<uint8_t> bytes(round_up(inputs, 4), kOffset);
    for (int row = 0; row < rows; ++row) {
        const uint16_t* values = source + static_cast<size_t>(row) * inputs;
        uint16_t most = 0;  // magnitudes are ordered as their bits are
        for (int i = 0; i < inputs; ++i) most = std::max(most, static_cast<uint16_t>(values[i] & 0x7fff));
        const float largest = from_bfloat16(most), inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        scales[row] = largest / 127.0f;
        for (int i = 0; i < inputs; ++i) {
            const float sum = from_bfloat16(values[i]) * inverse + kWhole;
            uint32_t bits;
            std::memcpy(&bits, &sum, 4);
            bytes[i] = static_cast<uint8_t>(bits + kOffset);
        }
        for (int i = 0; i < inputs; i += 4)
            std::memcpy(panel + (static_cast<size_t>(i / 4) * kRows + row) * 4, bytes.data() + i, 4);
    }
}

// From nibbles in the order of their inputs to the first four low and the others high.
static uint32_t regrouped(uint32_t nibbles) {
    const auto spread = [](uint32_t four) {
        four = (four | four << 8) & 0x00ff00ff;
        return (four | four << 4) & 0x0f0f0f0f;
    };
    return spread(nibbles & 0xffff) | spread(nibbles >> 16) << 4;
}

void pack_mxfp4(const uint8_t* blocks, const uint8_t* group_scales, int rows, int inputs, uint8_t* pair) {
    std::memset(pair, 0, 2 * panel_bytes(Form::kMxfp4, inputs));
    const int groups = inputs / kGroup;
    auto* lines = reinterpret_cast<uint32_t*>(pair + scale_bytes(inputs));
    for (int group = 0; group < groups; ++group)
        for (int row = 0; row < rows; ++row) {
            const size_t source = static_cast<size_t>(row) * groups + group;
            pair[group * 2 * kRows + row] = group_scales[source];
            uint32_t nibbles[4];
            std::memcpy(nibbles, blocks + source * 16, 16);
            for (int line = 0; line < 4; ++line)
                lines[(static_cast<size_t>(group) * 4 + line) * 2 * kRows + row] = regrouped(nibbles[line]);
        }
}

}  // namespace ostinato
