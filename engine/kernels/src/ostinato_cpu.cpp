#include "ostinato_cpu.h"

#include "model.h"

using ostinato::Form;

struct ostinato_model {
    ostinato::Model model;
};

extern "C" {

ostinato_model* ostinato_open(const ostinato_weights* weights, int32_t threads) {
    return new ostinato_model{ostinato::Model(*weights, threads)};
}

void ostinato_close(ostinato_model* model) { delete model; }

void ostinato_step(ostinato_model* model, const ostinato_chunk* chunks, int32_t count, const int32_t* rows,
                   int32_t num_rows, const int32_t* only, int32_t num_only, float* logits) {
    model->model.step(chunks, count, rows, num_rows, only, num_only, logits);
}

uint64_t ostinato_read(ostinato_model* model, const uint64_t* memory, size_t bytes) {
    return model->model.read(memory, bytes);
}

size_t ostinato_page_bytes(const ostinato_shape* shape) {
    return static_cast<size_t>(shape->kv_heads) * ostinato::kPage * shape->head_dim * 2 * sizeof(uint16_t);
}

size_t ostinato_panel_bytes(int32_t form, int32_t inputs) { return ostinato::panel_bytes(static_cast<Form>(form), inputs); }

void ostinato_pack(int32_t form, const void* source, const uint8_t* group_scales, int32_t rows, int32_t inputs,
                   uint8_t* panels, float* scales) {
    const size_t bytes = ostinato::panel_bytes(static_cast<Form>(form), inputs);
    const int together = static_cast<Form>(form) == Form::kMxfp4 ? 2 : 1;
    for (int first = 0; first < rows; first += together * ostinato::kRows, panels += together * bytes) {
        const int count = std::min(together * ostinato::kRows, rows - first);
        const auto* numbers = static_cast<const uint16_t*>(source) + static_cast<size_t>(first) * inputs;
        const size_t groups = static_cast<size_t>(first) * (inputs / ostinato::kGroup);
        switch (static_cast<Form>(form)) {
            case Form::kInt8: ostinato::pack_int8(numbers, count, inputs, panels, scales + first); break;
            case Form::kBfloat16: ostinato::pack_bfloat16(numbers, count, inputs, panels); break;
            default:
                ostinato::pack_mxfp4(static_cast<const uint8_t*>(source) + groups * 16, group_scales + groups, count,
                                     inputs, panels);
        }
    }
}

}
