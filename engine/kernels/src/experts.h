// The mixture of experts of one layer. The tokens of a step are sorted by expert, so that each expert's weights are read
// once, and every token of an expert has a *slot* in the memory between the two multiplications.
//
// Down-projections add to the rows of the residual: a member takes a share of the outputs and goes through all experts,
// so that no two members add to the same number, and always in the same order.

#pragma once

#include <vector>

#include "matrix.h"
#include "team.h"

namespace ostinato {

class Experts {
   public:
    Experts(const ostinato_shape& shape, Team& team, std::vector<Scratch>& scratches)
        : shape_(shape), team_(team), scratches_(scratches), padded_hidden_(round_up(shape.hidden, kInputs)),
          padded_inner_(round_up(shape.intermediate, kInputs)) {}

    // Add the experts' answers to `x`; `normed` is what they are asked. Both are [rows][hidden].
    void add(const ostinato_layer& layer, const std::vector<Row>& rows, const float* normed, float* x, int member,
             int& phase) {
        const int count = static_cast<int>(rows.size());
        if (member == 0) {
            choices_.resize(static_cast<size_t>(count) * shape_.chosen);
            asked_.begin(Form::kMxfp4, count, count, shape_.hidden);
        }
        team_.barrier();
        team_.share(phase, count, [&](int row) {
            const float* in = normed + static_cast<size_t>(row) * shape_.hidden;
            route(layer, row, in);
            if (is_exact(rows[row])) asked_.pack(row, in);
        });
        if (member == 0) sort_by_expert(rows);
        team_.barrier();
        share_pairing(normed, phase);
        share_gates(layer, member, phase);
        share_packing(phase);
        share_sums(layer, x, member, phase);
    }

   private:
    struct Slot {  // a token at one of its experts
        int row;
        float weight;
    };

    struct Batch {  // the tokens of an expert, of one kind
        int expert;
        bool is_exact;
        int begin;  // of their slots
        std::vector<Slot> slots;
        int count() const { return static_cast<int>(slots.size()); }
    };

    static bool is_exact(const Row& row) { return row.is_exact || !kHasTiles; }

    void route(const ostinato_layer& layer, int row, const float* in) {
        std::vector<std::pair<float, int>> scores(shape_.experts);
        for (int expert = 0; expert < shape_.experts; ++expert) {
            const float* weights = layer.router + static_cast<size_t>(expert) * shape_.hidden;
            scores[expert] = {dot(in, weights, shape_.hidden) + layer.router_bias[expert], expert};
        }
        const auto is_better = [](const auto& a, const auto& b) {
            return a.first > b.first || (a.first == b.first && a.second < b.second);
        };
        std::partial_sort(scores.begin(), scores.begin() + shape_.chosen, scores.end(), is_better);
        float total = 0;
        for (int i = 0; i < shape_.chosen; ++i) total += std::exp(scores[i].first - scores[0].first);
        for (int i = 0; i < shape_.chosen; ++i)
            choices_[row * shape_.chosen + i] = {scores[i].second, std::exp(scores[i].first - scores[0].first) / total};
    }

    // Exact batches first; those of tiles begin on a group of 16 slots.
    void sort_by_expert(const std::vector<Row>& rows) {
        std::vector<Batch> sorted[2];
        for (int kind = 0; kind < 2; ++kind)
            for (int expert = 0; expert < shape_.experts; ++expert) sorted[kind].push_back({expert, kind == 0, 0, {}});
        for (size_t row = 0; row < rows.size(); ++row)
            for (int i = 0; i < shape_.chosen; ++i) {
                const auto& [expert, weight] = choices_[row * shape_.chosen + i];
                sorted[is_exact(rows[row]) ? 0 : 1][expert].slots.push_back({static_cast<int>(row), weight});
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
        activated_.need(static_cast<size_t>(num_exact_) * shape_.intermediate);
        answered_.begin(Form::kMxfp4, num_exact_, num_exact_, shape_.intermediate);
        paired_in_.need(static_cast<size_t>(num_slots_ + 16) * padded_hidden_);
        paired_inner_.need(static_cast<size_t>(num_slots_ + 16) * padded_inner_);
    }

    void share_pairing(const float* normed, int& phase) {
        if (!kHasTiles) return;
        team_.share(phase, static_cast<int>(batches_.size()), [&](int item) {
            const Batch& batch = batches_[item];
            if (batch.is_exact) return;
            for (int i = 0; i < batch.count(); ++i) {
                const float* in = normed + static_cast<size_t>(batch.slots[i].row) * shape_.hidden;
                uint16_t* out = paired(paired_in_, batch.begin + i, padded_hidden_);
                for (int k = 0; k < shape_.hidden; ++k)
                    out[static_cast<size_t>(k / 2) * 32 + k % 2] = to_bfloat16(in[k]);
            }
        });
    }

    void share_gates(const ostinato_layer& layer, int member, int& phase) {
        const int panels = num_panels(layer.gate_up.rows);
        const int each = share_of(panels * static_cast<int>(batches_.size())), items = (panels + each - 1) / each;
        team_.share(phase, static_cast<int>(batches_.size()) * items, [&](int item) {
            const Batch& batch = batches_[item / items];
            const int begin = item % items * each, end = std::min(panels, begin + each);
            if (batch.is_exact) gate_few(layer, batch, begin, end);
            else gate_tiles(layer, batch, begin, end, scratches_[member]);
        });
    }

    // Panels that a member takes at a time: long streams are read faster, short ones are shared more evenly.
    int share_of(int panels) const { return std::max(2, std::min(48, panels / (team_.size() * 6) / 2 * 2)); }

    void share_packing(int& phase) {
        team_.share(phase, num_exact_, [&](int slot) {
            answered_.pack(slot, activated_.data() + static_cast<size_t>(slot) * shape_.intermediate);
        });
    }

    void share_sums(const ostinato_layer& layer, float* x, int member, int& phase) {
        const int panels = num_panels(layer.down.rows), each = share_of(panels);
        team_.share(phase, (panels + each - 1) / each, [&](int item) {
            const int begin = item * each, end = std::min(panels, begin + each);
            for (const Batch& batch : batches_) {
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

    static const uint8_t* panel_of(const ostinato_matrix& matrix, int expert, int panel) {
        const size_t bytes = panel_bytes(static_cast<Form>(matrix.form), matrix.inputs);
        return matrix.panels + (static_cast<size_t>(expert) * num_panels(matrix.rows) + panel) * bytes;
    }

    void gate_few(const ostinato_layer& layer, const Batch& batch, int begin, int end) {
        const float* bias = layer.gate_up.bias + static_cast<size_t>(batch.expert) * layer.gate_up.rows;
        for (int panel = begin; panel < end; ++panel)
            by_few(batch.count(), [&](auto few, int first) {
                GroupedToken tokens[few.value];
                for (int t = 0; t < few.value; ++t) tokens[t] = asked_.grouped(batch.slots[first + t].row);
                alignas(64) float sums[few.value * kRows];
                mxfp4_product<few.value>(panel_of(layer.gate_up, batch.expert, panel), layer.gate_up.inputs, tokens, sums);
                for (int t = 0; t < few.value; ++t) {
                    float* out = activated_.data() + static_cast<size_t>(batch.begin + first + t) * shape_.intermediate;
                    activate(sums + t * kRows, bias + panel * kRows, out + panel * kRows / 2);
                }
            });
    }

    void add_few(const ostinato_layer& layer, const Batch& batch, float* x, int begin, int end) {
        for (int panel = begin; panel < end; ++panel)
            by_few(batch.count(), [&](auto few, int first) {
                GroupedToken tokens[few.value];
                for (int t = 0; t < few.value; ++t) tokens[t] = answered_.grouped(batch.begin + first + t);
                alignas(64) float sums[few.value * kRows];
                mxfp4_product<few.value>(panel_of(layer.down, batch.expert, panel), layer.down.inputs, tokens, sums);
                for (int t = 0; t < few.value; ++t)
                    add_weighted(layer, batch, batch.slots[first + t], panel * kRows, sums + t * kRows, x);
            });
    }

    void add_weighted(const ostinato_layer& layer, const Batch& batch, const Slot& slot, int first, const float* sums,
                      float* x) {
        const float* bias = layer.down.bias + static_cast<size_t>(batch.expert) * layer.down.rows + first;
        float* out = x + static_cast<size_t>(slot.row) * shape_.hidden + first;
        const int count = std::min(kRows, layer.down.rows - first);
        for (int i = 0; i < count; ++i) out[i] += slot.weight * (sums[i] + bias[i]);
    }

    static uint16_t* paired(Aligned<uint16_t>& operands, int slot, int padded) {
        return operands.data() + static_cast<size_t>(slot / 16) * 16 * padded + slot % 16 * 2;
    }

#ifdef __AMX_TILE__
    // Multiply one or two panels of an expert with all tokens of a batch; take(which panel, token, sums of 16 rows).
    template <typename Take>
    void multiply_in_tiles(const ostinato_matrix& matrix, const Batch& batch, int panel, int panels,
                           const uint16_t* operands, Scratch& scratch, Take take) {
        const int padded = round_up(matrix.inputs, kInputs), tiles = padded / 32, groups = (batch.count() + 15) / 16;
        scratch.tiles.need(2 * kStretch * 1024);
        scratch.sums.need(static_cast<size_t>(groups + 1) * 2 * kTile);
        const uint8_t* const packed[2] = {panel_of(matrix, batch.expert, panel),
                                          panel_of(matrix, batch.expert, panel + panels - 1)};
        uint8_t* const unpacked[2] = {scratch.tiles.data(), scratch.tiles.data() + (panels - 1) * kStretch * 1024};
        for (int begin = 0; begin < tiles; begin += kStretch) {
            const int count = std::min(kStretch, tiles - begin);
            for (int which = 0; which < panels; ++which)
                for (int i = 0; i < count; ++i)
                    unpack_tile(packed[which], matrix.inputs, begin + i, unpacked[which] + i * 1024);
            const auto operand = [&](int group) {
                const uint16_t* tokens = operands + (static_cast<size_t>(batch.begin) + group * 16) * padded;
                return reinterpret_cast<const uint8_t*>(tokens) + static_cast<size_t>(begin) * 1024;
            };
            for (int group = 0; group < groups; group += 2) {
                const uint8_t* const both[2] = {operand(group), operand(std::min(group + 1, groups - 1))};
                float* base = scratch.sums.data() + static_cast<size_t>(group) * 2 * kTile;
                float* const sums[2][2] = {{base, base + kTile}, {base + 2 * kTile, base + 3 * kTile}};
                multiply_bfloat16_tiles(unpacked, both, count, begin == 0, sums);
            }
        }
        alignas(64) float sums[kRows];
        for (int t = 0; t < batch.count(); ++t)
            for (int which = 0; which < panels; ++which) {
                const size_t tile = static_cast<size_t>(t / 32) * 4 + which * 2 + t / 16 % 2;
                for (int i = 0; i < kRows; ++i) sums[i] = scratch.sums[tile * kTile + i * 16 + t % 16];
                take(which, t, sums);
            }
    }

    void gate_tiles(const ostinato_layer& layer, const Batch& batch, int begin, int end, Scratch& scratch) {
        const float* bias = layer.gate_up.bias + static_cast<size_t>(batch.expert) * layer.gate_up.rows;
        for (int panel = begin; panel < end; panel += 2) {
            const auto take = [&](int which, int t, const float* sums) {
                const int row = (panel + which) * kRows;
                float answers[kRows / 2];
                activate(sums, bias + row, answers);
                uint16_t* out = paired(paired_inner_, batch.begin + t, padded_inner_) + static_cast<size_t>(row) * 8;
                for (int i = 0; i < kRows / 2; ++i) out[i / 2 * 32 + i % 2] = to_bfloat16(answers[i]);
            };
            multiply_in_tiles(layer.gate_up, batch, panel, std::min(2, end - panel), paired_in_.data(), scratch, take);
        }
    }

    void add_tiles(const ostinato_layer& layer, const Batch& batch, float* x, int begin, int end, Scratch& scratch) {
        for (int panel = begin; panel < end; panel += 2) {
            const auto take = [&](int which, int t, const float* sums) {
                add_weighted(layer, batch, batch.slots[t], (panel + which) * kRows, sums, x);
            };
            multiply_in_tiles(layer.down, batch, panel, std::min(2, end - panel), paired_inner_.data(), scratch, take);
        }
    }
#else
    void gate_tiles(const ostinato_layer&, const Batch&, int, int, Scratch&) {}
    void add_tiles(const ostinato_layer&, const Batch&, float*, int, int, Scratch&) {}
#endif

    const ostinato_shape& shape_;
    Team& team_;
    std::vector<Scratch>& scratches_;
    const int padded_hidden_, padded_inner_;
    std::vector<std::pair<int, float>> choices_;  // [rows][chosen]: expert, weight
    std::vector<Batch> batches_;
    int num_slots_ = 0, num_exact_ = 0;
    Operand asked_, answered_;  // of exact rows and slots
    Aligned<float> activated_;  // [exact slots][intermediate]
    Aligned<uint16_t> paired_in_, paired_inner_;
};

}  // namespace ostinato
