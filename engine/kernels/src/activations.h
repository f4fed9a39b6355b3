// Activations, packed for the multiplication they are about to meet.
//
//   Split     int16 with one scale a token, as two signed bytes: 256 * high + low. The products with int8 and MXFP4
//             weights are then exact integers
//   Tiled     bfloat16, or the two bytes of Split apart, row by row: the first operand of an AMX tile product

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

struct SplitToken {
    const uint8_t* bytes;  // per 4 inputs: their high bytes, then their low ones
    const int16_t* words;  // the values themselves
    const int32_t* sums;   // of the values of each 32 inputs
    float scale;           // of a value
};

inline int split_high(int value) { return (value + 128) >> 8; }
inline int split_low(int value) { return value - split_high(value) * 256; }

}  // namespace ostinato
