// One step of the model: every layer, all sequences, all threads.

#pragma once

#include "experts.h"

namespace ostinato {

class Model {
   public:
    Model(const ostinato_weights& weights, int threads)
        : weights_(weights), shape_(weights.shape), layers_(weights.layers, weights.layers + weights.shape.layers),
          head_{shape_.head_dim, shape_.query_heads / shape_.kv_heads}, team_(threads), scratches_(team_.size()),
          experts_(weights_, team_, scratches_) {
        int full = 0, sliding = 0;
        for (const auto& layer : layers_) places_.push_back((layer.slides ? sliding : full)++);
    }

    void step(const ostinato_chunk* chunks, int count, const int32_t* rows, int num_rows, const int32_t* only,
              int num_only, float* logits) {
        lay_out(chunks, count);
        team_.run([&](int member) {
#ifdef __AMX_TILE__
            configure_tiles();
#endif
            int phase = 0;
            share_embedding(phase);
            for (size_t layer = 0; layer < layers_.size(); ++layer) {
                add_attention(layer, member, phase);
                team_.share(phase, num_rows_, [&](int row) { normed(row, layers_[layer].experts_norm); });
                experts_.add(layers_[layer], static_cast<int>(layer), rows_, normed_.data(), x_.data(), member, phase);
            }
            if (num_rows > 0) read_out(rows, num_rows, only, num_only, logits, member, phase);
        });
    }

    // The sum of the numbers in memory, read in shares as long as those of a matrix.
    uint64_t read(const uint64_t* memory, size_t bytes) {
        constexpr size_t kShare = 1 << 17, kAhead = 256;  // numbers
        const size_t count = bytes / sizeof(uint64_t);
        std::atomic<uint64_t> total{0};
        team_.run([&](int) {
            int phase = 0;
            team_.share(phase, static_cast<int>((count + kShare - 1) / kShare), [&](int item) {
                uint64_t sums[32] = {};
                const size_t begin = item * kShare, end = std::min(count, begin + kShare) / 32 * 32;
                for (size_t i = begin; i < end; i += 32) {
                    for (int line = 0; line < 32; line += 8) __builtin_prefetch(memory + i + line + kAhead);
                    for (int lane = 0; lane < 32; ++lane) sums[lane] += memory[i + lane];
                }
                uint64_t sum = 0;
                for (const uint64_t each : sums) sum += each;
                total += sum;
            });
        });
        return total;
    }

   private:
    void lay_out(const ostinato_chunk* chunks, int count) {
        rows_.clear();
        order_.clear();
        for (const bool is_exact : {true, false}) {
            int given = 0;
            for (const auto* chunk = chunks; chunk < chunks + count; given += chunk->count, ++chunk) {
                if ((chunk->is_exact != 0) != is_exact) continue;
                for (int i = 0; i < chunk->count; ++i) {
                    order_.resize(std::max(order_.size(), static_cast<size_t>(given + i + 1)));
                    order_[given + i] = static_cast<int>(rows_.size());
                    rows_.push_back({chunk, chunk->begin + i, is_exact});
                }
            }
            if (is_exact) num_exact_ = static_cast<int>(rows_.size());
        }
        num_rows_ = static_cast<int>(rows_.size());
        const size_t n = rows_.size();
        x_.need(n * shape_.hidden);
        normed_.need(n * shape_.hidden);
        qkv_.need(n * qkv_width());
        gathered_.need(n * query_width());
    }

    int query_width() const { return shape_.query_heads * shape_.head_dim; }
    int qkv_width() const { return (shape_.query_heads + 2 * shape_.kv_heads) * shape_.head_dim; }
    float* x(int row) { return x_.data() + static_cast<size_t>(row) * shape_.hidden; }

    void share_embedding(int& phase) {
        team_.share(phase, num_rows_, [&](int row) {
            const ostinato_chunk& chunk = *rows_[row].chunk;
            const uint16_t* source = chunk.embedded + static_cast<size_t>(rows_[row].position - chunk.begin) * shape_.hidden;
            for (int i = 0; i < shape_.hidden; ++i) x(row)[i] = from_bfloat16(source[i]);
        });
    }

    const float* normed(int row, const float* weight, int out_row = -1) {
        const float* in = x(row);
        float* out = normed_.data() + static_cast<size_t>(out_row < 0 ? row : out_row) * shape_.hidden;
        const float inverse = 1.0f / std::sqrt(dot(in, in, shape_.hidden) / shape_.hidden + shape_.eps);
        for (int i = 0; i < shape_.hidden; ++i) out[i] = in[i] * inverse * weight[i];
        return out;
    }

    // Pack the operand row by row with pack(row), then multiply; take(first output, count, row, sums).
    template <typename Pack, typename Take>
    void share_matrix(const ostinato_matrix& matrix, int exact, int rows, int member, int& phase, Pack pack, Take take) {
        if (member == 0) operand_.begin(static_cast<Form>(matrix.form), exact, rows, matrix.inputs);
        team_.barrier();
        team_.share(phase, rows, [&](int row) { operand_.pack(row, pack(row)); });
        const int panels = num_panels(matrix.rows);
        team_.divide(phase, member, (panels + 1) / 2, kMostPairs, [&](int begin, int end) {
            for (int panel = 2 * begin; panel < 2 * end; panel += 2)
                multiply(matrix, panel, std::min(2, panels - panel), operand_, scratches_[member], take);
        });
    }

    void add_attention(size_t index, int member, int& phase) {
        const ostinato_layer& layer = layers_[index];
        share_matrix(
            layer.qkv, num_exact_, num_rows_, member, phase, [&](int row) { return normed(row, layer.attention_norm); },
            [&](int first, int count, int row, const float* sums) {
                std::memcpy(qkv_.data() + static_cast<size_t>(row) * qkv_width() + first, sums, count * sizeof(float));
            });
        team_.share(phase, num_rows_, [&](int row) { turn_and_keep(index, row); });
        share_attention(index, member, phase);
        share_matrix(
            layer.out, num_exact_, num_rows_, member, phase,
            [&](int row) { return gathered_.data() + static_cast<size_t>(row) * query_width(); },
            [&](int first, int count, int row, const float* sums) {
                for (int i = 0; i < count; ++i) x(row)[first + i] += sums[i];
            });
    }

    HeadPages pages(size_t index, int row, int head) const {
        const auto& chunk = *rows_[row].chunk;
        uint16_t* const* pages = layers_[index].slides ? chunk.sliding_pages : chunk.full_pages;
        return {pages, (static_cast<size_t>(places_[index]) * shape_.kv_heads + head) * head_.page_numbers()};
    }

    // Rotate queries and keys by their position, scale the queries, and put keys and values on their page.
    void turn_and_keep(size_t index, int row) {
        const int dim = shape_.head_dim, half = dim / 2, position = rows_[row].position;
        float* heads = qkv_.data() + static_cast<size_t>(row) * qkv_width();
        const float* cosines = weights_.cosines + static_cast<size_t>(position) * half;
        const float* sines = weights_.sines + static_cast<size_t>(position) * half;
        const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
        for (int head = 0; head < shape_.query_heads + shape_.kv_heads; ++head) {
            float* values = heads + head * dim;
            const float factor = head < shape_.query_heads ? scale : 1.0f;
            for (int i = 0; i < half; ++i) {
                const float first = values[i], second = values[half + i];
                values[i] = (first * cosines[i] - second * sines[i]) * factor;
                values[half + i] = (second * cosines[i] + first * sines[i]) * factor;
            }
        }
        const float* keys = heads + query_width();
        const float* values = keys + shape_.kv_heads * dim;
        for (int head = 0; head < shape_.kv_heads; ++head) {
            uint16_t* page = pages(index, row, head).at(position);
            for (int i = 0; i < dim; ++i) {
                *head_.key(page, position % kPage, i) = to_bfloat16(keys[head * dim + i]);
                *head_.value(page, position % kPage, i) = to_bfloat16(values[head * dim + i]);
            }
        }
    }

    // Tokens of one chunk that attend together: first row, count. They are cut by position, not by where a chunk begins.
    using Tile = std::pair<int, int>;

    void cut_into_tiles() {
        tiles_.clear();
        for (int row = 0; row < num_rows_;) {
            int count = 1;
            const int tile = rows_[row].position / tokens_per_tile();
            while (row + count < num_rows_ && rows_[row + count].chunk == rows_[row].chunk &&
                   rows_[row + count].position / tokens_per_tile() == tile)
                ++count;
            tiles_.push_back({row, count});
            row += count;
        }
    }

    int tokens_per_tile() const {
#ifdef __AMX_TILE__
        if (head_.group <= 16) return 2 * (16 / head_.group);
#endif
        return 1;
    }

    void share_attention(size_t index, int member, int& phase) {
        if (member == 0) cut_into_tiles();
        team_.barrier();
        team_.share(phase, static_cast<int>(tiles_.size()) * shape_.kv_heads, [&](int item) {
            attend(index, tiles_[item / shape_.kv_heads], item % shape_.kv_heads, scratches_[member]);
        });
    }

    void attend(size_t index, Tile tile, int head, Scratch& scratch) {
        const ostinato_layer& layer = layers_[index];
        const auto [row, count] = tile;
        const int width = head_.group * head_.dim;
        scratch.numbers.need(static_cast<size_t>(tokens_per_tile()) * width);
        Span spans[32];
        for (int t = 0; t < count; ++t) {
            const int position = rows_[row + t].position;
            spans[t] = {layer.slides ? std::max(0, position - shape_.window + 1) : 0, position};
            const float* queries = qkv_.data() + static_cast<size_t>(row + t) * qkv_width() + head * width;
            std::memcpy(scratch.numbers.data() + static_cast<size_t>(t) * width, queries, width * sizeof(float));
        }
        float* out = gathered_.data() + static_cast<size_t>(row) * query_width() + head * width;
        const float* sinks = layer.sinks + head * head_.group;
        const HeadPages where = pages(index, row, head);
#ifdef __AMX_TILE__
        if (head_.group <= 16) {
            scratch.attention.attend(head_, where, scratch.numbers.data(), spans, count, sinks, out, query_width());
            return;
        }
#endif
        attend_plainly(head_, where, scratch.numbers.data(), spans[0], sinks, out, scratch.sums);
    }

    void read_out(const int32_t* rows, int count, const int32_t* only, int num_only, float* logits, int member, int& phase) {
        const ostinato_matrix& head = weights_.head;
        const auto pack = [&](int i) { return normed(order_[rows[i]], weights_.norm, i); };
        if (only == nullptr) {
            share_matrix(head, count, count, member, phase, pack, [&](int first, int width, int row, const float* sums) {
                std::memcpy(logits + static_cast<size_t>(row) * head.rows + first, sums, width * sizeof(float));
            });
            return;
        }
        if (member == 0) operand_.begin(static_cast<Form>(head.form), count, count, shape_.hidden);
        team_.barrier();
        team_.share(phase, count, [&](int i) { operand_.pack(i, pack(i)); });
        team_.share(phase, num_only, [&](int i) {
            multiply(head, only[i] / kRows, 1, operand_, scratches_[member],
                     [&](int first, int, int row, const float* sums) {
                logits[static_cast<size_t>(row) * num_only + i] = sums[only[i] - first];
            });
        });
    }

    const ostinato_weights weights_;
    const ostinato_shape shape_;
    const std::vector<ostinato_layer> layers_;
    const HeadShape head_;
    std::vector<int> places_;  // of each layer among those of its kind
    Team team_;
    std::vector<Scratch> scratches_;
    Experts experts_;
    std::vector<Row> rows_;   // exact ones first
    std::vector<int> order_;  // where each row that was given is among them
    int num_rows_ = 0, num_exact_ = 0;
    std::vector<Tile> tiles_;
    Operand operand_;
    Aligned<float> x_, normed_, qkv_, gathered_;  // [rows][…]
};

}  // namespace ostinato
