#include "CBarKV.h"

uint64_t barkv_hash_any(const void *bytes, size_t length, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, length, seed);
}
