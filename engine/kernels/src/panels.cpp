#include "panels.h"

#include <algorithm>
#include <cmath>

namespace ostinato {

void pack_bfloat16(const uint16_t* source, int rows, int inputs, uint8_t* panel) {
    std::memset(panel, 0, panel_bytes(Form::kBfloat16, inputs));
    auto* tiles = reinterpret_cast<uint16_t*>(panel);
    for (int row = 0; row < rows; ++row) {
        for (int begin = 0; begin < inputs; begin += 32) {
            const int count = std::min(32, inputs - begin);
            std::memcpy(tiles + (static_cast<size_t>(begin / 32) * kRows + row) * 32,
                        source + static_cast<size_t>(row) * inputs + begin, count * 2);
        }
    }
}

void pack_int8(const uint16_t* source, int rows, int inputs, uint8_t* panel, float* scales) {
    std::memset(panel, 0, panel_bytes(Form::kInt8, inputs));
    std::fill(scales, scales + kRows, 0.0f);
    for (int row = 0; row < rows; ++row) {
        const uint16_t* values = source + static_cast<size_t>(row) * inputs;
        float largest = 0.0f;
        for (int i = 0; i < inputs; ++i) largest = std::max(largest, std::fabs(from_bfloat16(values[i])));
        scales[row] = largest / 127.0f;
        const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        for (int i = 0; i < inputs; ++i) {
            const int rounded = static_cast<int>(std::lrintf(from_bfloat16(values[i]) * inverse));
            panel[(static_cast<size_t>(i / 64) * kRows + row) * 64 + i % 64] = static_cast<uint8_t>(rounded);
        }
    }
}

void pack_mxfp4(const uint8_t* blocks, const uint8_t* group_scales, int rows, int inputs, uint8_t* panel) {
    std::memset(panel, 0, panel_bytes(Form::kMxfp4, inputs));
    const int groups = inputs / kGroup;
    uint8_t* nibbles = panel + scale_bytes(inputs);
    for (int row = 0; row < rows; ++row) {
        for (int group = 0; group < groups; ++group) {
            const size_t source = static_cast<size_t>(row) * groups + group;
            const int part = group / 2, half = group % 2;
            panel[part * 32 + row * 2 + half] = group_scales[source];
            std::memcpy(nibbles + (static_cast<size_t>(part) * kRows + row) * 32 + half * 16, blocks + source * 16, 16);
        }
    }
}

}  // namespace ostinato
