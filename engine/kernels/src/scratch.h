// What a step works on: its rows, and the memory of each member of the team.

#pragma once

#include "attention.h"
#include "ostinato_cpu.h"

namespace ostinato {

// One token of the step. An exact row multiplies experts as decoding does, with activations of 16 bits; the others, of
// long prompts, in tiles of bfloat16 where the machine has them. It depends on the row's own chunk alone, so that a
// sequence's numbers do not depend on what else is in the step.
struct Row {
    const ostinato_chunk* chunk;
    int position;
    bool is_exact;
};

struct Scratch {
    Aligned<float> numbers, sums;
    Aligned<uint8_t> tiles;
#ifdef __AMX_TILE__
    TileAttention attention;
#endif
};

}  // namespace ostinato
