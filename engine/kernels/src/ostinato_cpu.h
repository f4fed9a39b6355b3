/* The C interface of the kernels: a gpt-oss model whose weights were packed into panels, and a step that advances any
 * number of sequences at once. Nothing here allocates for the caller: weights and pages are the caller's memory. */

#ifndef OSTINATO_CPU_H
#define OSTINATO_CPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct {
    int32_t layers, hidden, intermediate, query_heads, kv_heads, head_dim, experts, chosen, vocabulary, window;
    float eps, slope, limit;
} ostinato_shape;

/* A matrix of `rows` outputs: panels (see panels.h), with row scales for int8, and a bias or null. */
typedef struct {
    int32_t form, rows, inputs;
    const uint8_t* panels;
    const float* scales;
    const float* bias;
} ostinato_matrix;

/* `gate_up` and `down` hold all experts one after another, or, where they are fetched on demand, as many as there are
 * places, and `places` says at which of them each expert stands. Their biases are those of all experts. */
typedef struct {
    int32_t slides;
    const float* attention_norm;
    ostinato_matrix qkv, out;
    const float* sinks;
    const float* experts_norm;
    const float* router; /* [experts][hidden] */
    const float* router_bias;
    ostinato_matrix gate_up, down;
    const int32_t* places;
} ostinato_layer;

/* Bring experts of a layer into memory and write their places; called by the thread that called ostinato_step. */
typedef void (*ostinato_fetch)(int32_t layer, const int32_t* experts, int32_t count);

typedef struct {
    ostinato_shape shape;
    const ostinato_layer* layers;
    const float* norm;
    ostinato_matrix head;
    const float* cosines; /* [positions][head_dim / 2] */
    const float* sines;
    ostinato_fetch fetch; /* null where all experts are in memory */
    int32_t places;       /* most experts that are fetched at a time */
} ostinato_weights;

/* What one sequence does in a step: it sees `count` ids from position `begin` on. Pages are those of its full and of its
 * sliding layers, 32 tokens each, layer after layer; those that no token of the chunk sees may be null. New pages must
 * be zero or hold old numbers, not arbitrary bytes. An exact chunk multiplies experts as decoding does. */
typedef struct {
    const uint16_t* embedded; /* bfloat16 [count][hidden]: the ids' rows of the embedding */
    int32_t begin, count, is_exact;
    uint16_t* const* full_pages;
    uint16_t* const* sliding_pages;
} ostinato_chunk;

typedef struct ostinato_model ostinato_model;

/* Whether this processor has what the build uses. Nothing else may be called if not. */
int32_t ostinato_is_supported(void);

/* Heads must be a multiple of 32 wide, and no more than 16 queries share a key. The weights are used, not copied. */
ostinato_model* ostinato_open(const ostinato_weights* weights, int32_t threads);
void ostinato_close(ostinato_model* model);

/* Advance the chunks and write the logits of the rows asked for, [num_rows][vocabulary]; rows count the ids over all
 * chunks. `only` null is every id of the vocabulary; else the logits of these ids alone, [num_rows][num_only]. */
void ostinato_step(ostinato_model* model, const ostinato_chunk* chunks, int32_t count, const int32_t* rows,
                   int32_t num_rows, const int32_t* only, int32_t num_only, float* logits);

/* Read `bytes` of memory from front to back with all threads, and return their sum as 64-bit numbers: what a step, which
 * does little else with weights, cannot be faster than. */
uint64_t ostinato_read(ostinato_model* model, const uint64_t* memory, size_t bytes);

/* Bytes of one layer's part of a page. */
size_t ostinato_page_bytes(const ostinato_shape* shape);

/* Bytes of a panel of 16 rows. An MXFP4 matrix has an even number of panels. */
size_t ostinato_panel_bytes(int32_t form, int32_t inputs);

/* Pack `rows` rows into panels: from bfloat16 [rows][inputs], or from MXFP4 blocks and their scales. `scales` gets the
 * row scales of int8, 16 a panel. MXFP4 panels are packed two by two. Calls for different panels may run at the same time. */
void ostinato_pack(int32_t form, const void* source, const uint8_t* group_scales, int32_t rows, int32_t inputs,
                   uint8_t* panels, float* scales);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
