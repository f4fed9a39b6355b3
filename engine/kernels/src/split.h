// From int16 values to the bytes of a SplitToken, and the sums of their groups. `count` is a multiple of 64.

#pragma once

#include "activations.h"

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

namespace ostinato {

#ifdef __AVX512BW__

inline void split_values(const int16_t* values, int count, uint8_t* bytes, int32_t* sums) {
    // Within 16 bytes: the high bytes of four values, then their low ones, twice.
    const __m512i order = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0e0c0a080f0d0b09, 0x0604020007050301));
    for (int begin = 0; begin < count; begin += kGroup) {
        const __m512i group = _mm512_loadu_si512(values + begin);
        const __m512i rounded = _mm512_add_epi16(group, _mm512_set1_epi16(128));
        const __m512i mixed = _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, group, rounded);
        _mm512_storeu_si512(bytes + begin * 2, _mm512_shuffle_epi8(mixed, order));
        sums[begin / kGroup] = _mm512_reduce_add_epi32(_mm512_madd_epi16(group, _mm512_set1_epi16(1)));
    }
}

#else

inline void split_values(const int16_t* values, int count, uint8_t* bytes, int32_t* sums) {
    for (int group = 0; group < count / kGroup; ++group) {
        sums[group] = 0;
        for (int i = 0; i < kGroup; ++i) sums[group] += values[group * kGroup + i];
    }
    for (int quad = 0; quad < count / 4; ++quad)
        for (int i = 0; i < 4; ++i) {
            bytes[quad * 8 + i] = static_cast<uint8_t>(split_high(values[quad * 4 + i]));
            bytes[quad * 8 + 4 + i] = static_cast<uint8_t>(split_low(values[quad * 4 + i]));
        }
}

#endif

}  // namespace ostinato
