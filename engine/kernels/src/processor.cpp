// Whether the processor, and the system that saves its registers, have every feature that this build was compiled for.
// This must run where they are missing: on x86 nothing here uses AVX, whatever the compiler's options are.

#include "ostinato_cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#ifdef __AMX_TILE__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

enum Register { kEax, kEbx, kEcx, kEdx };

struct Feature {
    unsigned leaf, subleaf;
    Register where;
    unsigned bit;
};

constexpr Feature kNeeded[] = {
#ifdef __POPCNT__
    {1, 0, kEcx, 23},
#endif
#ifdef __SSE4_2__
    {1, 0, kEcx, 0},  // SSE3
    {1, 0, kEcx, 9},  // SSSE3
    {1, 0, kEcx, 19},  // SSE4.1
    {1, 0, kEcx, 20},
#endif
#ifdef __AVX__
    {1, 0, kEcx, 27},  // OSXSAVE: the registers that the system saves can be asked for
    {1, 0, kEcx, 28},
#endif
#ifdef __FMA__
    {1, 0, kEcx, 12},
#endif
#ifdef __AVX2__
    {7, 0, kEbx, 5},
#endif
#ifdef __AVX512F__
    {7, 0, kEbx, 16},
#endif
#ifdef __AVX512DQ__
    {7, 0, kEbx, 17},
#endif
#ifdef __AVX512BW__
    {7, 0, kEbx, 30},
#endif
#ifdef __AVX512VL__
    {7, 0, kEbx, 31},
#endif
#ifdef __AVX512VBMI__
    {7, 0, kEcx, 1},
#endif
#ifdef __AVX512VNNI__
    {7, 0, kEcx, 11},
#endif
#ifdef __AVXVNNI__
    {7, 1, kEax, 4},
#endif
#ifdef __AVX512BF16__
    {7, 1, kEax, 5},
#endif
#ifdef __AMX_TILE__
    {7, 0, kEdx, 22},  // bfloat16
    {7, 0, kEdx, 24},
    {7, 0, kEdx, 25},  // int8
#endif
    {1, 0, kEdx, 26},  // SSE2, which any has
};

constexpr unsigned kSaved = 0  // bits of XCR0: registers that the system saves
#ifdef __AVX__
                            | 0x6
#endif
#ifdef __AVX512F__
                            | 0xe0
#endif
#ifdef __AMX_TILE__
                            | 0x60000
#endif
    ;

}  // namespace

extern "C" __attribute__((target("no-avx"))) int32_t ostinato_is_supported(void) {
    unsigned found[4], most;
    __cpuid(0, most, found[1], found[2], found[3]);
    for (const Feature& feature : kNeeded) {
        if (feature.leaf > most) return 0;
        __cpuid_count(feature.leaf, feature.subleaf, found[0], found[1], found[2], found[3]);
        if (!(found[feature.where] >> feature.bit & 1)) return 0;
    }
    if (kSaved != 0) {
        unsigned low, high;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        if ((low & kSaved) != kSaved) return 0;
    }
#ifdef __AMX_TILE__  // Linux gives the tiles on request, to the whole process
    constexpr int kRequest = 0x1023, kTileData = 18;
    if (syscall(SYS_arch_prctl, kRequest, kTileData) != 0) return 0;
#endif
    return 1;
}

#elif defined(__ARM_FEATURE_DOTPROD) && defined(__linux__)

#include <sys/auxv.h>

extern "C" int32_t ostinato_is_supported(void) {
    // HWCAP_CRC32, _ATOMICS, _ASIMDRDM and _ASIMDDP: what armv8.2-a+dotprod may use
    constexpr unsigned long kNeeded = 1ul << 7 | 1ul << 8 | 1ul << 12 | 1ul << 20;
    return (getauxval(AT_HWCAP) & kNeeded) == kNeeded;
}

#else

extern "C" int32_t ostinato_is_supported(void) { return 1; }

#endif
