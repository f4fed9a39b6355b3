// Compare the products of this build with those in plain C++: integers must be the same, floating-point sums within the
// rounding of their order. Prints what differs. Ends with 0 if nothing does, 1 if something does, 77 if this processor
// cannot run the build.

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "operand.h"
#include "ostinato_cpu.h"
#include "products.h"

using namespace ostinato;
namespace plain {
#include "products_plain.h"
}

namespace {

int failures = 0;
std::minstd_rand randoms(1);

uint8_t random_byte() { return static_cast<uint8_t>(randoms() >> 7); }
float random_float() { return static_cast<float>(randoms() % 2001) / 1000.0f - 1.0f; }

void check(bool is_right, const char* what, int tokens, int inputs) {
    if (is_right) return;
    std::printf("%s is wrong for %d tokens of %d inputs\n", what, tokens, inputs);
    ++failures;
}

bool is_near(const float* ours, const float* theirs, int count) {
    double error = 0, size = 0;
    for (int i = 0; i < count; ++i) {
        error += (double{ours[i]} - theirs[i]) * (double{ours[i]} - theirs[i]);
        size += double{theirs[i]} * theirs[i];
    }
    return std::sqrt(error) <= 2e-6 * std::sqrt(size);
}

template <int kTokens>
class Comparison {
   public:
    explicit Comparison(int inputs) : inputs_(inputs) {
        whole_.begin(Form::kInt8, kTokens, kTokens, inputs);
        plain_.begin(Form::kBfloat16, kTokens, kTokens, inputs);
        std::vector<float> values(inputs);
        for (int t = 0; t < kTokens; ++t) {
            for (float& value : values) value = t == 0 ? 1.0f : random_float();  // the first as large as can be
            whole_.pack(t, values.data());
            plain_.pack(t, values.data());
        }
        for (int t = 0; t < kTokens; ++t) split_[t] = whole_.split(t), floats_[t] = plain_.plain(t);
        panels_.need(2 * panel_bytes(Form::kBfloat16, inputs) + 8192);
    }

    void compare() {
        for (const bool is_largest : {false, true}) compare_int8(is_largest);
        compare_bfloat16();
        if constexpr (kTokens <= 4) compare_mxfp4();
    }

   private:
    void compare_int8(bool is_largest) {
        for (size_t i = 0; i < panel_bytes(Form::kInt8, inputs_); ++i)
            panels_[i] = is_largest ? 255 : static_cast<uint8_t>(1 + random_byte() % 255);
        int64_t ours[kTokens * kRows], theirs[kTokens * kRows];
        ostinato::int8_product<kTokens>(panels_.data(), inputs_, split_, ours);
        plain::ostinato::int8_product<kTokens>(panels_.data(), inputs_, split_, theirs);
        check(std::equal(ours, ours + kTokens * kRows, theirs), "int8", kTokens, inputs_);
    }

    void compare_bfloat16() {
        auto* numbers = reinterpret_cast<uint16_t*>(panels_.data());
        for (size_t i = 0; i < panel_bytes(Form::kBfloat16, inputs_) / 2; ++i) numbers[i] = to_bfloat16(random_float());
        alignas(64) float ours[kTokens * kRows], theirs[kTokens * kRows];
        ostinato::bfloat16_product<kTokens>(panels_.data(), inputs_, floats_, ours);
        plain::ostinato::bfloat16_product<kTokens>(panels_.data(), inputs_, floats_, theirs);
        check(is_near(ours, theirs, kTokens * kRows), "bfloat16", kTokens, inputs_);
    }

    void compare_mxfp4() {
        for (size_t i = 0; i < 2 * panel_bytes(Form::kMxfp4, inputs_); ++i)
            panels_[i] = i < scale_bytes(inputs_) ? 120 + random_byte() % 9 : random_byte();
        panels_[3] = 0;  // 2^-127
        alignas(64) float ours[2 * kTokens * kRows], theirs[2 * kTokens * kRows];
        ostinato::mxfp4_product<kTokens>(panels_.data(), inputs_, split_, ours);
        plain::ostinato::mxfp4_product<kTokens>(panels_.data(), inputs_, split_, theirs);
        for (int row = 0; row < 2 * kTokens; ++row)
            check(is_near(ours + row * kRows, theirs + row * kRows, kRows), "MXFP4", kTokens, inputs_);
    }

    const int inputs_;
    Operand whole_, plain_;
    SplitToken split_[kTokens];
    const float* floats_[kTokens];
    Aligned<uint8_t> panels_;
};

template <int kTokens>
void compare_up_to() {
    if constexpr (kTokens > 1) compare_up_to<kTokens - 1>();
    for (const int inputs : {32, 96, 2880, 4096, 12288}) Comparison<kTokens>(inputs).compare();
}

}  // namespace

int main() {
    if (!ostinato_is_supported()) return 77;
    compare_up_to<8>();
    return failures == 0 ? 0 : 1;
}
