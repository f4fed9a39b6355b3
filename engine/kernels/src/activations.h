// Activations, packed for the multiplication they are about to meet.
//
//   Fixed     int16 with one scale a token, for int8 weights: the products are exact integers
//   Grouped   int16 with one scale per 32 inputs, split into two bytes and into even and odd inputs, for MXFP4 weights
//   Paired    bfloat16 pairs of 16 tokens side by side, the second operand of an AMX tile product
//   Split     the bytes of Fixed for 16 tokens side by side, the same for int8 tiles

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "panels.h"

namespace ostinato {

// A growing array aligned to a cache line.
template <typename T>
class Aligned {
   public:
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    T& operator[](size_t i) { return data_.get()[i]; }
    const T& operator[](size_t i) const { return data_.get()[i]; }

    void need(size_t count) {  // the old contents are lost
        if (count <= size_) return;
        const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
        void* memory = std::aligned_alloc(64, bytes);
        if (memory == nullptr) throw std::bad_alloc();
        std::memset(memory, 0, bytes);
        data_.reset(static_cast<T*>(memory));
        size_ = count;
    }

   private:
    struct Free {
        void operator()(T* memory) const { std::free(memory); }
    };
    std::unique_ptr<T, Free> data_;
    size_t size_ = 0;
};

// Per 64 inputs: high bytes of the even inputs, of the odd ones, low bytes of the even, of the odd, 32 bytes each.
// A value is (256 * high + low) * scale, both bytes signed. `correction` is -12 times the sum of the group's values,
// because the weights are read as unsigned bytes 0..24 for -12..12, twice their value.
struct GroupedToken {
    uint8_t* bytes;      // [inputs / 64][4][32]
    float* scales;       // [inputs / 32], halved for the doubled weights
    float* corrections;  // [inputs / 32], before scaling
};

inline int split_high(int value) { return (value + 128) >> 8; }
inline int split_low(int value) { return value - split_high(value) * 256; }

}  // namespace ostinato
