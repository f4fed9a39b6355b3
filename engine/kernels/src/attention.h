// Attention over pages: keys and values of 32 tokens, in bfloat16, laid out as AMX tiles.
//
// A page holds, head after head: keys as 2 x [dim / 2][16 tokens][2], values as [dim / 16][16 token pairs][16 dims][2].
// Without AMX the same page is read by plain loops.

#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "activations.h"
#ifdef __AMX_TILE__
#include "tiles.h"
#endif

namespace ostinato {

constexpr int kPage = 32;  // tokens of a page

struct HeadShape {
    int dim;      // numbers of a head, a multiple of 32
    int group;    // query heads that share a key-value head
    size_t page_numbers() const { return static_cast<size_t>(kPage) * dim * 2; }
    uint16_t* key(uint16_t* head, int slot, int i) const {
        return head + (slot / 16) * 16 * dim + (i / 2) * 32 + slot % 16 * 2 + i % 2;
    }
    uint16_t* value(uint16_t* head, int slot, int i) const {
        return head + kPage * dim + (i / 16) * 512 + slot / 2 * 32 + i % 16 * 2 + slot % 2;
    }
};

// What one query token sees: positions [first, last].
struct Span {
    int first, last;
};

inline float fast_exp(float x) {  // vectorised by compilers; relative error below 2e-7
    x = std::min(std::max(x, -87.0f), 87.0f);
    const float scaled = x * 1.44269504088896341f;
    const float whole = std::nearbyint(scaled);
    const float rest = (x - whole * 0.693359375f) - whole * -2.12194440e-4f;
    float value = 1.9875691500e-4f;
    value = value * rest + 1.3981999507e-3f;
    value = value * rest + 8.3334519073e-3f;
    value = value * rest + 4.1665795894e-2f;
    value = value * rest + 1.6666665459e-1f;
    value = value * rest + 5.0000001201e-1f;
    value = value * rest * rest + rest + 1.0f;
    const int32_t exponent = (static_cast<int32_t>(whole) + 127) << 23;
    float power;
    std::memcpy(&power, &exponent, 4);
    return value * power;
}


// Where the keys and values of one head are: page by page, from the front of the sequence.
struct HeadPages {
    uint16_t* const* pages;  // of the sequence; those that no token sees any more may be null
    size_t offset;           // of the layer and the head within a page, in numbers
    uint16_t* at(int position) const { return pages[position / kPage] + offset; }
};

#ifdef __AMX_TILE__

inline __m512 exp16(__m512 x) {  // relative error below 2e-7 for x <= 0
    x = _mm512_max_ps(x, _mm512_set1_ps(-87.0f));
    const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)), 0);
    __m512 rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), x);
    rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), rest);
    __m512 value = _mm512_set1_ps(1.9875691500e-4f);
    for (const float term : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        value = _mm512_fmadd_ps(value, rest, _mm512_set1_ps(term));
    value = _mm512_fmadd_ps(_mm512_mul_ps(value, rest), rest, _mm512_add_ps(rest, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(value, whole);
}

// The queries of a few tokens of one group, two tiles of 16 rows, against all they see.
class TileAttention {
   public:
    static constexpr int kBlock = 8;  // pages whose scores are held at a time

    void attend(const HeadShape& shape, const HeadPages& head, const float* queries, const Span* spans, int tokens,
                const float* sinks, float* out, size_t out_stride) {
        const int per_tile = 16 / shape.group;
        used_ = tokens > per_tile ? 2 : 1;
        prepare(shape, queries, tokens, sinks, per_tile);
        int first = spans[0].first, last = spans[0].last;
        for (int t = 1; t < tokens; ++t) {
            first = std::min(first, spans[t].first);
            last = std::max(last, spans[t].last);
        }
        for (int begin = first / kPage * kPage; begin <= last; begin += kBlock * kPage) {
            const int pages = std::min(kBlock, (last - begin) / kPage + 1);
            score(shape, head, begin, pages);
            weigh(shape, spans, tokens, per_tile, begin, pages);
            gather(shape, head, begin, pages);
        }
        for (int t = 0; t < tokens; ++t)
            for (int g = 0; g < shape.group; ++g) {
                const int tile = t / per_tile, row = t % per_tile * shape.group + g;
                const float inverse = 1.0f / total_[tile * 16 + row];
                for (int i = 0; i < shape.dim; ++i)
                    out[t * out_stride + g * shape.dim + i] =
                        gathered_[(tile * (shape.dim / 16) + i / 16) * kTile + row * 16 + i % 16] * inverse;
            }
    }

   private:
    void prepare(const HeadShape& shape, const float* queries, int tokens, const float* sinks, int per_tile) {
        queries_.need(2 * 16 * shape.dim);
        gathered_.need(2 * 16 * shape.dim);
        scores_.need(2 * kBlock * 2 * kTile);
        weights_.need(2 * kBlock * 512);
        std::fill(queries_.data(), queries_.data() + 2 * 16 * shape.dim, 0);
        std::fill(gathered_.data(), gathered_.data() + 2 * 16 * shape.dim, 0.0f);
        for (int row = 0; row < 32; ++row) {
            highest_[row] = 0.0f;
            total_[row] = 1.0f;
        }
        for (int t = 0; t < tokens; ++t)
            for (int g = 0; g < shape.group; ++g) {
                const int tile = t / per_tile, row = t % per_tile * shape.group + g;
                highest_[tile * 16 + row] = sinks[g];  // the sink is the first to be weighed, and brings no value
                const float* query = queries + (static_cast<size_t>(t) * shape.group + g) * shape.dim;
                for (int i = 0; i < shape.dim; ++i)
                    queries_[(tile * (shape.dim / 32) + i / 32) * 512 + row * 32 + i % 32] = to_bfloat16(query[i]);
            }
    }

    void score(const HeadShape& shape, const HeadPages& head, int begin, int pages) {
        const size_t tile_bytes = static_cast<size_t>(shape.dim) * 32;
        const auto* queries = reinterpret_cast<const uint8_t*>(queries_.data());
        const TileRows rows = {{queries, queries + tile_bytes}, 64, 1024};
        for (int page = 0; page < pages; ++page) {
            const auto* keys = reinterpret_cast<const uint8_t*>(head.at(begin + page * kPage));
            const uint8_t* halves[2] = {keys, keys + tile_bytes};
            float* const sums[2][2] = {{tile(0, 2 * page), tile(0, 2 * page + 1)}, {tile(1, 2 * page), tile(1, 2 * page + 1)}};
            multiply_bfloat16_tiles(rows, halves, shape.dim / 32, true, sums);
        }
    }

    float* tile(int which, int index) { return scores_.data() + (which * kBlock * 2 + index) * kTile; }

    // Turn scores into weights relative to the highest so far, and rescale what was gathered before.
    void weigh(const HeadShape& shape, const Span* spans, int tokens, int per_tile, int begin, int pages) {
        const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        for (int which = 0; which < used_; ++which)
            for (int row = 0; row < 16; ++row) {
                const int t = which * per_tile + row / shape.group;
                const bool is_used = row / shape.group < per_tile && t < tokens;
                uint16_t* weights = weights_.data() + which * kBlock * 512 + row * 32;
                if (!is_used) {
                    for (int page = 0; page < pages; ++page) std::memset(weights + page * 512, 0, 64);
                    continue;
                }
                __m512 highest = _mm512_set1_ps(highest_[which * 16 + row]);
                for (int i = 0; i < 2 * pages; ++i) {
                    float* scores = tile(which, i) + row * 16;
                    const __m512i position = _mm512_add_epi32(lanes, _mm512_set1_epi32(begin + i * 16));
                    const __mmask16 seen = _mm512_cmpge_epi32_mask(position, _mm512_set1_epi32(spans[t].first)) &
                                           _mm512_cmple_epi32_mask(position, _mm512_set1_epi32(spans[t].last));
                    const __m512 kept = _mm512_mask_blend_ps(seen, _mm512_set1_ps(-1e30f), _mm512_load_ps(scores));
                    _mm512_store_ps(scores, kept);
                    highest = _mm512_max_ps(highest, kept);
                }
                const float now = _mm512_reduce_max_ps(highest), before = highest_[which * 16 + row];
                __m512 total = _mm512_setzero_ps();
                for (int page = 0; page < pages; ++page) {
                    const auto weight = [&](int half) {
                        const __m512 scores = _mm512_load_ps(tile(which, 2 * page + half) + row * 16);
                        const __mmask16 seen = _mm512_cmp_ps_mask(scores, _mm512_set1_ps(-1e29f), _CMP_GT_OQ);
                        return _mm512_maskz_mov_ps(seen, exp16(_mm512_sub_ps(scores, _mm512_set1_ps(now))));
                    };
                    const __m512 low = weight(0), high = weight(1);
                    total = _mm512_add_ps(total, _mm512_add_ps(low, high));
                    _mm512_store_si512(weights + page * 512, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
                }
                const float shrink = std::exp(before - now);
                total_[which * 16 + row] = total_[which * 16 + row] * shrink + _mm512_reduce_add_ps(total);
                highest_[which * 16 + row] = now;
                if (shrink != 1.0f)
                    for (int j = 0; j < shape.dim / 16; ++j) {
                        float* sums = gathered_.data() + (which * (shape.dim / 16) + j) * kTile + row * 16;
                        _mm512_store_ps(sums, _mm512_mul_ps(_mm512_load_ps(sums), _mm512_set1_ps(shrink)));
                    }
            }
    }

    void gather(const HeadShape& shape, const HeadPages& head, int begin, int pages) {
        const int columns = shape.dim / 16;
        for (int j = 0; j < columns; j += 2) {
            float* sums = gathered_.data() + j * kTile;
            float* others = sums + columns * kTile;
            _tile_loadd(0, sums, 64); _tile_loadd(1, sums + kTile, 64);
            _tile_loadd(2, others, 64); _tile_loadd(3, others + kTile, 64);
            for (int page = 0; page < pages; ++page) {
                const uint16_t* values = head.at(begin + page * kPage) + kPage * shape.dim + j * 512;
                _tile_loadd(4, weights_.data() + page * 512, 64);
                _tile_loadd(5, weights_.data() + (kBlock + page) * 512, 64);
                _tile_loadd(6, values, 64);
                _tile_loadd(7, values + 512, 64);
                _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, sums, 64); _tile_stored(1, sums + kTile, 64);
            _tile_stored(2, others, 64); _tile_stored(3, others + kTile, 64);
        }
    }

    Aligned<uint16_t> queries_, weights_;
    Aligned<float> gathered_, scores_;
    float highest_[32], total_[32];
    int used_ = 2;  // tiles of queries
};

#endif

// The same without AMX, a token at a time.
#if defined(__AVX512F__)
constexpr int kWide = 16;
#elif defined(__AVX2__)
constexpr int kWide = 8;
#else
constexpr int kWide = 4;
#endif
constexpr int kStrips = 16 / kWide;  // registers that hold 16 numbers
constexpr int kTogether = 4;           // queries that meet a key or a value while it is in registers

using Lanes = float __attribute__((vector_size(kWide * 4)));
using Pairs = uint32_t __attribute__((vector_size(kWide * 4)));  // of bfloat16

// sums[query][16] += 16 pairs of numbers times a pair of factors of each query.
template <int kQueries>
inline void add_pairs(Lanes (*sums)[kStrips], const uint16_t* numbers, const float* factors, size_t stride) {
    for (int strip = 0; strip < kStrips; ++strip) {
        Pairs pairs;
        std::memcpy(&pairs, numbers + strip * 2 * kWide, sizeof(pairs));
        const Lanes even = reinterpret_cast<Lanes>(pairs << 16), odd = reinterpret_cast<Lanes>(pairs & 0xffff0000u);
#pragma GCC unroll 4
        for (int q = 0; q < kQueries; ++q) sums[q][strip] += even * factors[q * stride] + odd * factors[q * stride + 1];
    }
}

// Scores of 16 keys with a few queries, [query][stride].
template <int kQueries>
inline void score_keys(const uint16_t* keys, int dim, const float* queries, float* scores, size_t stride) {
    Lanes sums[kQueries][kStrips] = {};
    for (int pair = 0; pair < dim / 2; ++pair) add_pairs<kQueries>(sums, keys + pair * 32, queries + 2 * pair, dim);
    for (int q = 0; q < kQueries; ++q) std::memcpy(scores + q * stride, sums[q], sizeof(sums[q]));
}

// Scores become weights, zero where nothing is seen; returns their sum with the sink's.
inline float weigh_keys(float* scores, int count, int first, int end, float sink) {
    float highest = sink, total = 0;
    for (int i = first; i < end; ++i) highest = std::max(highest, scores[i]);
    for (int i = first; i < end; ++i) {
        scores[i] = fast_exp(scores[i] - highest);
        total += scores[i];
    }
    std::fill(scores, scores + first, 0.0f);
    std::fill(scores + end, scores + count, 0.0f);
    return total + std::exp(sink - highest);
}

template <int kQueries>
void attend_few(const HeadShape& shape, const HeadPages& head, const float* queries, Span span, const float* sinks, float* out,
                Aligned<float>& scratch) {
    const int begin = span.first / kPage * kPage, count = (span.last / kPage + 1) * kPage - begin, dim = shape.dim;
    scratch.need(static_cast<size_t>(kQueries) * (count + dim));
    float* const scores = scratch.data();
    float* const rounded = scores + static_cast<size_t>(kQueries) * count;
    for (int i = 0; i < kQueries * dim; ++i) rounded[i] = from_bfloat16(to_bfloat16(queries[i]));
    for (int slot = 0; slot < count; slot += 16) {
        const uint16_t* keys = head.at(begin + slot) + slot % kPage * dim;
        score_keys<kQueries>(keys, dim, rounded, scores + slot, count);
    }
    float totals[kQueries];
    for (int q = 0; q < kQueries; ++q)
        totals[q] = weigh_keys(scores + static_cast<size_t>(q) * count, count, span.first - begin, span.last + 1 - begin, sinks[q]);
    for (int column = 0; column < dim; column += 16) {
        Lanes sums[kQueries][kStrips] = {};
        for (int slot = 0; slot < count; slot += kPage) {
            const uint16_t* values = head.at(begin + slot) + kPage * dim + column / 16 * 512;
            for (int pair = 0; pair < kPage / 2; ++pair)
                add_pairs<kQueries>(sums, values + pair * 32, scores + slot + 2 * pair, count);
        }
        for (int q = 0; q < kQueries; ++q) {
            for (Lanes& strip : sums[q]) strip *= 1.0f / totals[q];
            std::memcpy(out + q * dim + column, sums[q], sizeof(sums[q]));
        }
    }
}

inline void attend_plainly(const HeadShape& shape, const HeadPages& head, const float* queries, Span span,
                           const float* sinks, float* out, Aligned<float>& scratch) {
    for (int g = 0; g < shape.group; g += kTogether) {
        const auto attend = [&](auto few) {
            attend_few<few.value>(shape, head, queries + g * shape.dim, span, sinks + g, out + g * shape.dim, scratch);
        };
        switch (std::min(kTogether, shape.group - g)) {
            case 1: attend(std::integral_constant<int, 1>()); break;
            case 2: attend(std::integral_constant<int, 2>()); break;
            case 3: attend(std::integral_constant<int, 3>()); break;
            default: attend(std::integral_constant<int, kTogether>());
        }
    }
}

}  // namespace ostinato
