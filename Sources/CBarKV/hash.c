#include "CBarKV.h"

// Inlined here, so that an operation pays for one call, not for one through the dynamic linker. Not in the header: its
// many cases by length would crowd the caller's registers.
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t barkv_hash(const void *bytes, size_t length, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, length, seed);
}
