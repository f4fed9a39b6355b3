// The mixture of experts of one layer. The tokens of a step are sorted by expert, so that each expert's weights are read
// once, and every token of an expert has a *slot* in the memory between the two multiplications.
//
// Down-projections add to the rows of the residual: a member takes a share of the outputs and goes through all experts,
// so that no two members add to the same number, and always in the same order.
//
// Where experts are fetched on demand, only so many at a time are in memory: the batches then go in groups, in the same
// order, and a group's experts are fetched before it is multiplied.

#pragma once

#include <vector>

#include "matrix.h"
#include "team.h"

namespace ostinato {

constexpr int kMostPairs = 8;  // of panels that a member takes at a time
constexpr int kScored = 8;     // experts that a member scores at a time

class Experts {
   public:
    Experts(const ostinato_weights& weights, Team& team, std::vector<Scratch>& scratches)
        : shape_(weights.shape), fetch_(weights.fetch), places_(weights.places), team_(team), scratches_(scratches),
          padded_hidden_(round_up(shape_.hidden, kInputs)), padded_inner_(round_up(shape_.intermediate, kInputs)) {}

    // Add the answers of a layer's experts to `x`; `normed` is what they are asked. Both are [rows][hidden].
    void add(const ostinato_layer& layer, int index, const std::vector<Row>& rows, const float* normed, float* x, int member,
             int& phase) {
        const int count = static_cast<int>(rows.size());
        if (member == 0) {
            choices_.resize(static_cast<size_t>(count) * shape_.chosen);
            scores_.resize(static_cast<size_t>(count) * shape_.experts);
            asked_.begin(Form::kMxfp4, count, count, shape_.hidden);
        }
        team_.barrier();
        share_scores(layer, rows, normed, phase);
        if (member == 0) sort_by_expert(rows);
        team_.barrier();
        share_gathering(normed, phase);
        for (const Group& group : groups_) {
            if (fetch_ != nullptr) meet_at_fetch(layer, index, group, member);
            share_gates(layer, group, member, phase);
            share_packing(group, phase);
            share_sums(layer, group, x, member, phase);
        }
    }

   private:
    struct Slot {  // a token at one of its experts
        int row;
        float weight;
    };

    struct Batch {  // the tokens of an expert, of one kind
        int expert, place;  // where its panels stand among those of the layer
        bool is_exact;
        int begin;  // of their slots
        std::vector<Slot> slots;
        int count() const { return static_cast<int>(slots.size()); }
    };

    struct Group {  // batches whose experts are in memory together, and their exact slots
        int begin, end, first_exact, last_exact;
    };

    static bool is_exact(const Row& row) { return row.is_exact || !kHasTiles; }

    // The router's scores, some experts at a time, and the exact rows packed beside them.
    void share_scores(const ostinato_layer& layer, const std::vector<Row>& rows, const float* normed, int& phase) {
        const int parts = (shape_.experts + kScored - 1) / kScored + 1;
        team_.share(phase, static_cast<int>(rows.size()) * parts, [&](int item) {
            const int row = item / parts, part = item % parts - 1;
            const float* in = normed + static_cast<size_t>(row) * shape_.hidden;
            if (part < 0) {
                if (is_exact(rows[row])) asked_.pack(row, in);
                return;
            }
            for (int expert = part * kScored; expert < std::min(shape_.experts, (part + 1) * kScored); ++expert) {
                const float* weights = layer.router + static_cast<size_t>(expert) * shape_.hidden;
                scores_[static_cast<size_t>(row) * shape_.experts + expert] =
                    {dot(in, weights, shape_.hidden) + layer.router_bias[expert], expert};
            }
        });
    }

    void choose(int row) {
        const auto begin = scores_.begin() + static_cast<size_t>(row) * shape_.experts;
        const auto is_better = [](const auto& a, const auto& b) {
            return a.first > b.first || (a.first == b.first && a.second < b.second);
        };
        std::partial_sort(begin, begin + shape_.chosen, begin + shape_.experts, is_better);
        float total = 0;
        for (int i = 0; i < shape_.chosen; ++i) total += std::exp(begin[i].first - begin[0].first);
        for (int i = 0; i < shape_.chosen; ++i)
            choices_[row * shape_.chosen + i] = {begin[i].second, std::exp(begin[i].first - begin[0].first) / total};
    }

    // Exact batches first; those of tiles begin on a group of 16 slots.
    void sort_by_expert(const std::vector<Row>& rows) {
        std::vector<Batch> sorted[2];
        for (int kind = 0; kind < 2; ++kind)
            for (int expert = 0; expert < shape_.experts; ++expert) sorted[kind].push_back({expert, expert, kind == 0, 0, {}});
        for (size_t row = 0; row < rows.size(); ++row) {
            choose(static_cast<int>(row));
            for (int i = 0; i < shape_.chosen; ++i) {
                const auto& [expert, weight] = choices_[row * shape_.chosen + i];
                sorted[is_exact(rows[row]) ? 0 : 1][expert].slots.push_back({static_cast<int>(row), weight});
            }
        }
        batches_.clear();
        num_slots_ = 0;
        for (auto& kind : sorted) {
            num_exact_ = &kind == &sorted[0] ? 0 : num_slots_;
            if (&kind != &sorted[0]) num_slots_ = round_up(num_slots_, 16);
            for (auto& batch : kind) {
                if (batch.slots.empty()) continue;
                batch.begin = num_slots_;
                num_slots_ += batch.is_exact ? batch.count() : round_up(batch.count(), 16);
                batches_.push_back(std::move(batch));
            }
        }
        group_batches();
        activated_.need(static_cast<size_t>(num_exact_) * shape_.intermediate);
        answered_.begin(Form::kMxfp4, num_exact_, num_exact_, shape_.intermediate);
        tiled_in_.need(static_cast<size_t>(num_slots_ + 16) * padded_hidden_);
        tiled_inner_.need(static_cast<size_t>(num_slots_ + 16) * padded_inner_);
    }

    void group_batches() {
        const int count = static_cast<int>(batches_.size()), most = fetch_ != nullptr ? places_ : std::max(1, count);
        const auto exact_before = [&](int batch) {
            return batch < count ? std::min(num_exact_, batches_[batch].begin) : num_exact_;
        };
        first_fetch_ = fetched_.load();
        groups_.clear();
        for (int begin = 0; begin < count; begin += most) {
            const int end = std::min(count, begin + most);
            groups_.push_back({begin, end, exact_before(begin), exact_before(end)});
        }
    }

    // Let the first member fetch while the others sleep: it takes long, and those who read need the cores.
    void meet_at_fetch(const ostinato_layer& layer, int index, const Group& group, int member) {
        if (member == 0) {
            fetch(layer, index, group);
            fetched_.fetch_add(1, std::memory_order_release);
            fetched_.notify_all();
            return;
        }
        const uint32_t wanted = first_fetch_ + static_cast<uint32_t>(&group - groups_.data()) + 1;
        for (uint32_t seen; static_cast<int32_t>((seen = fetched_.load(std::memory_order_acquire)) - wanted) < 0;)
            fetched_.wait(seen, std::memory_order_acquire);
    }

    void fetch(const ostinato_layer& layer, int index, const Group& group) {
        wanted_.clear();
        for (int batch = group.begin; batch < group.end; ++batch) wanted_.push_back(batches_[batch].expert);
        fetch_(index, wanted_.data(), static_cast<int>(wanted_.size()));
        for (int batch = group.begin; batch < group.end; ++batch) batches_[batch].place = layer.places[batches_[batch].expert];
    }

    void share_gathering(const float* normed, int& phase) {
        if (!kHasTiles) return;
        team_.share(phase, static_cast<int>(batches_.size()), [&](int item) {
            const Batch& batch = batches_[item];
            if (batch.is_exact) return;
            for (int i = 0; i < batch.count(); ++i)
                Operand::to_bfloat16s(normed + static_cast<size_t>(batch.slots[i].row) * shape_.hidden, shape_.hidden,
                                      padded_hidden_, tiled_in_.data() + static_cast<size_t>(batch.begin + i) * padded_hidden_);
        });
    }

    void share_gates(const ostinato_layer& layer, const Group& group, int member, int& phase) {
        const int pairs = num_panels(layer.gate_up.rows) / 2;
        team_.divide(phase, member, (group.end - group.begin) * pairs, kMostPairs, [&](int begin, int end) {
            while (begin < end) {
                const Batch& batch = batches_[group.begin + begin / pairs];
                const int first = begin % pairs, last = std::min(pairs, first + end - begin);
                if (batch.is_exact) gate_few(layer, batch, first, last);
                else gate_tiles(layer, batch, first, last, scratches_[member]);
                begin += last - first;
            }
        });
    }

    void share_packing(const Group& group, int& phase) {
        team_.share(phase, group.last_exact - group.first_exact, [&](int item) {
            const int slot = group.first_exact + item;
            answered_.pack(slot, activated_.data() + static_cast<size_t>(slot) * shape_.intermediate);
        });
    }

    void share_sums(const ostinato_layer& layer, const Group& group, float* x, int member, int& phase) {
        const int pairs = num_panels(layer.down.rows) / 2;
        team_.divide(phase, member, pairs, pairs, [&](int begin, int end) {
            for (int which = group.begin; which < group.end; ++which) {
                const Batch& batch = batches_[which];
                if (batch.is_exact) add_few(layer, batch, x, begin, end);
                else add_tiles(layer, batch, x, begin, end, scratches_[member]);
            }
        });
    }

    // Eight outputs of sixteen rows, in which gates and ups alternate.
    void activate(const float* sums, const float* bias, float* out) const {
        for (int i = 0; i < kRows / 2; ++i) {
            const float gate = std::min(sums[2 * i] + bias[2 * i], shape_.limit);
            const float up = std::max(-shape_.limit, std::min(sums[2 * i + 1] + bias[2 * i + 1], shape_.limit));
            out[i] = gate / (1.0f + fast_exp(-shape_.slope * gate)) * (up + 1.0f);
        }
    }

    static const uint8_t* pair_of(const ostinato_matrix& matrix, int place, int pair) {
        const size_t bytes = panel_bytes(Form::kMxfp4, matrix.inputs);
        return matrix.panels + (static_cast<size_t>(place) * num_panels(matrix.rows) + pair * 2) * bytes;
    }

    // Multiply pairs of panels of an expert with all tokens of an exact batch; take(first row, which token, 16 sums).
    template <typename Token, typename Take>
    void multiply_few(const ostinato_matrix& matrix, const Batch& batch, int begin, int end, Token token, Take take) {
        for (int pair = begin; pair < end; ++pair)
            by_few<4>(batch.count(), [&](auto few, int first) {
                constexpr int kTokens = few.value;
                SplitToken tokens[kTokens];
                for (int t = 0; t < kTokens; ++t) tokens[t] = token(first + t);
                alignas(64) float sums[2 * kTokens * kRows];
                mxfp4_product<kTokens>(pair_of(matrix, batch.place, pair), matrix.inputs, tokens, sums);
                for (int which = 0; which < 2; ++which)
                    for (int t = 0; t < kTokens; ++t)
                        take((pair * 2 + which) * kRows, first + t, sums + (which * kTokens + t) * kRows);
            });
    }

    void gate_few(const ostinato_layer& layer, const Batch& batch, int begin, int end) {
        const float* bias = layer.gate_up.bias + static_cast<size_t>(batch.expert) * layer.gate_up.rows;
        multiply_few(
            layer.gate_up, batch, begin, end, [&](int i) { return asked_.split(batch.slots[i].row); },
            [&](int row, int i, const float* sums) {
                float* out = activated_.data() + static_cast<size_t>(batch.begin + i) * shape_.intermediate;
                activate(sums, bias + row, out + row / 2);
            });
    }

    void add_few(const ostinato_layer& layer, const Batch& batch, float* x, int begin, int end) {
        multiply_few(
            layer.down, batch, begin, end, [&](int i) { return answered_.split(batch.begin + i); },
            [&](int row, int i, const float* sums) { add_weighted(layer, batch, batch.slots[i], row, sums, x); });
    }

    void add_weighted(const ostinato_layer& layer, const Batch& batch, const Slot& slot, int first, const float* sums,
                      float* x) {
        const float* bias = layer.down.bias + static_cast<size_t>(batch.expert) * layer.down.rows + first;
        float* out = x + static_cast<size_t>(slot.row) * shape_.hidden + first;
        const int count = std::min(kRows, layer.down.rows - first);
        for (int i = 0; i < count; ++i) out[i] += slot.weight * (sums[i] + bias[i]);
    }

#ifdef __AMX_TILE__
    // Multiply a pair of panels of an expert with all tokens of a batch; take(first row, token, 16 sums).
    template <typename Take>
    void multiply_in_tiles(const ostinato_matrix& matrix, const Batch& batch, int pair, const uint16_t* operands,
                           Scratch& scratch, Take take) {
        const int padded = round_up(matrix.inputs, kInputs), tiles = matrix.inputs / 32, groups = (batch.count() + 15) / 16;
        scratch.tiles.need(2 * kStretch * 1024);
        scratch.sums.need(static_cast<size_t>(groups + 1) * 2 * kTile);
        const uint8_t* packed = pair_of(matrix, batch.place, pair);
        uint8_t* const unpacked[2] = {scratch.tiles.data(), scratch.tiles.data() + kStretch * 1024};
        const size_t row_bytes = static_cast<size_t>(padded) * 2;
        for (int begin = 0; begin < tiles; begin += kStretch) {
            const int count = std::min(kStretch, tiles - begin);
            for (int which = 0; which < 2; ++which)
                for (int i = 0; i < count; ++i)
                    unpack_tile(packed, which, matrix.inputs, begin + i, unpacked[which] + i * 1024);
            const auto tokens = [&](int group) {
                const uint16_t* first = operands + (static_cast<size_t>(batch.begin) + group * 16) * padded + begin * 32;
                return reinterpret_cast<const uint8_t*>(first);
            };
            for (int group = 0; group < groups; group += 2) {
                float* base = scratch.sums.data() + static_cast<size_t>(group) * 2 * kTile;
                float* const sums[2][2] = {{base, base + kTile}, {base + 2 * kTile, base + 3 * kTile}};
                const TileRows both = {{tokens(group), tokens(std::min(group + 1, groups - 1))}, row_bytes, 64};
                multiply_bfloat16_tiles(both, unpacked, count, begin == 0, sums);
            }
        }
        for (int t = 0; t < batch.count(); ++t)
            for (int which = 0; which < 2; ++which)
                take((pair * 2 + which) * kRows, t,
                     scratch.sums.data() + (static_cast<size_t>(t / 16) * 2 + which) * kTile + t % 16 * kRows);
    }

    void gate_tiles(const ostinato_layer& layer, const Batch& batch, int begin, int end, Scratch& scratch) {
        const float* bias = layer.gate_up.bias + static_cast<size_t>(batch.expert) * layer.gate_up.rows;
        for (int pair = begin; pair < end; ++pair)
            multiply_in_tiles(layer.gate_up, batch, pair, tiled_in_.data(), scratch, [&](int row, int t, const float* sums) {
                float answers[kRows / 2];
                activate(sums, bias + row, answers);
                uint16_t* out = tiled_inner_.data() + static_cast<size_t>(batch.begin + t) * padded_inner_ + row / 2;
                for (int i = 0; i < kRows / 2; ++i) out[i] = to_bfloat16(answers[i]);
            });
    }

    void add_tiles(const ostinato_layer& layer, const Batch& batch, float* x, int begin, int end, Scratch& scratch) {
        for (int pair = begin; pair < end; ++pair)
            multiply_in_tiles(layer.down, batch, pair, tiled_inner_.data(), scratch, [&](int row, int t, const float* sums) {
                add_weighted(layer, batch, batch.slots[t], row, sums, x);
            });
    }
#else
    void gate_tiles(const ostinato_layer&, const Batch&, int, int, Scratch&) {}
    void add_tiles(const ostinato_layer&, const Batch&, float*, int, int, Scratch&) {}
#endif

    const ostinato_shape& shape_;
    const ostinato_fetch fetch_;
    const int places_;
    Team& team_;
    std::vector<Scratch>& scratches_;
    const int padded_hidden_, padded_inner_;
    std::vector<std::pair<float, int>> scores_;   // [rows][experts]: score, expert
    std::vector<std::pair<int, float>> choices_;  // [rows][chosen]: expert, weight
    std::vector<Batch> batches_;
    std::vector<Group> groups_;
    std::vector<int32_t> wanted_;
    std::atomic<uint32_t> fetched_{0};  // groups
    uint32_t first_fetch_ = 0;          // groups fetched before those of this layer
    int num_slots_ = 0, num_exact_ = 0;
    Operand asked_, answered_;  // of exact rows and slots
    Aligned<float> activated_;  // [exact slots][intermediate]
    Aligned<uint16_t> tiled_in_, tiled_inner_;  // [slots][padded inputs], bfloat16
};

}  // namespace ostinato
