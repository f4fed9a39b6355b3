// How fast a core multiplies panels by a few tokens: bytes of weights a second, in the cache and from memory.
//
//     S=engine/kernels/src; FLAGS="-O3 -std=c++20 -pthread -ffast-math -fno-finite-math-only -I $S"
//     g++ $FLAGS -mavx2 -mfma benchmarks/products_speed.cpp $S/panels.cpp -o /tmp/speed && /tmp/speed
//
// with the flags of any library that setup.py builds; -DOSTINATO_PLAIN for the products in plain C++.

#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <random>

#include "matrix.h"

using namespace ostinato;

namespace {

constexpr int kWidth = 2880;
constexpr double kSeconds = 0.5;

// Of the median call, which other work on the machine does not touch.
template <typename Body>
double seconds_of(Body body) {
    using Clock = std::chrono::steady_clock;
    body();
    std::vector<double> calls;
    for (double total = 0; total < kSeconds; total += calls.back()) {
        const auto begin = Clock::now();
        body();
        calls.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    std::nth_element(calls.begin(), calls.begin() + calls.size() / 2, calls.end());
    return calls[calls.size() / 2];
}

uint8_t* weights(size_t bytes) {
    void* memory = mmap(nullptr, bytes + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto* start = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(memory) + (2 << 20) - 1) >> 21 << 21);
#ifdef MADV_HUGEPAGE
    madvise(start, bytes, MADV_HUGEPAGE);
#endif
    std::minstd_rand random(1);
    for (size_t i = 0; i < bytes; i += 4) {
        const uint32_t value = random() & 0x3f3f3f3f;  // small bfloat16, and scales that stay finite
        std::memcpy(start + i, &value, 4);
    }
    return start;
}

template <int kTokens>
void measure(Form form, const char* name, uint8_t* memory, size_t size) {
    Operand operand;
    operand.begin(form, kTokens, kTokens, kWidth);
    std::vector<float> values(kWidth);
    for (int t = 0; t < kTokens; ++t) {
        for (int i = 0; i < kWidth; ++i) values[i] = static_cast<float>((i * 7919 + t * 31) % 201 - 100) / 100;
        operand.pack(t, values.data());
    }
    const size_t bytes = panel_bytes(form, kWidth);
    const int count = static_cast<int>(size / bytes), each = std::min(count, 64) / 2 * 2;
    const int step = form == Form::kMxfp4 ? 2 : 1;  // panels of a product
    int begin = 0;
    const double spent = seconds_of([&] {
        begin = begin + 2 * each > count ? 0 : begin + each;
        for (int panel = begin; panel < begin + each; panel += step) {
            alignas(64) float sums[2 * kTokens * kRows];
            int64_t whole[kTokens * kRows] = {};
            const float* plain[kTokens];
            SplitToken split[kTokens];
            for (int t = 0; t < kTokens; ++t) {
                if (form == Form::kBfloat16) plain[t] = operand.plain(t);
                else split[t] = operand.split(t);
            }
            if (form == Form::kInt8) int8_product<kTokens>(memory + panel * bytes, kWidth, split, whole);
            else if (form == Form::kBfloat16) bfloat16_product<kTokens>(memory + panel * bytes, kWidth, plain, sums);
            else mxfp4_product<kTokens>(memory + panel * bytes, kWidth, split, sums);
            asm volatile("" : : "r"(sums), "r"(whole) : "memory");  // all of them are wanted
        }
    });
    std::printf("%-9s %d token%s  %8.2f GB/s %s\n", name, kTokens, kTokens == 1 ? " " : "s", each * bytes / spent / 1e9,
                size > (size_t{16} << 20) ? "from memory" : "in the cache");
}

template <int kTokens>
void measure_all(uint8_t* memory) {
    for (const size_t size : {size_t{400} << 10, size_t{600} << 20}) {
        measure<kTokens>(Form::kInt8, "int8", memory, size);
        measure<kTokens>(Form::kBfloat16, "bfloat16", memory, size);
        measure<kTokens>(Form::kMxfp4, "MXFP4", memory, size);
    }
}

}  // namespace

int main() {
    uint8_t* memory = weights(size_t{640} << 20);
    measure_all<1>(memory);
    measure_all<2>(memory);
    measure_all<4>(memory);
}
