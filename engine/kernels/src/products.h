// Panel times a few tokens: the best way that the target of this build has.

#pragma once

#if defined(OSTINATO_PLAIN)
#include "products_plain.h"
#elif defined(__AVX512VNNI__)
#include "products_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "products_avx2.h"
#elif defined(__aarch64__)
#include "products_neon.h"
#else
#include "products_plain.h"
#endif
