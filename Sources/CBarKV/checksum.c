#include "CBarKV.h"

// CRC32C of short byte strings by the processor's own instruction, eight bytes at a time. ISA-L, made for long ones, needs
// longer to begin than this takes for a record.

#if defined(__x86_64__)
#include <nmmintrin.h>

bool barkv_crc32c_found = false;

__attribute__((constructor)) static void find_out(void) {
  __builtin_cpu_init();
  barkv_crc32c_found = __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) uint32_t barkv_crc32c_short(const void *bytes, size_t length, uint32_t seed) {
  const unsigned char *at = (const unsigned char *)bytes;
  uint64_t crc = seed;
  for (; length >= 8; length -= 8, at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, at, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  if (length & 4) {
    uint32_t word;
    __builtin_memcpy(&word, at, 4);
    crc = _mm_crc32_u32((uint32_t)crc, word);
    at += 4;
  }
  if (length & 2) {
    uint16_t word;
    __builtin_memcpy(&word, at, 2);
    crc = _mm_crc32_u16((uint32_t)crc, word);
    at += 2;
  }
  if (length & 1) crc = _mm_crc32_u8((uint32_t)crc, *at);
  return (uint32_t)crc;
}
#else
// Elsewhere ISA-L does all.
bool barkv_crc32c_found = false;
uint32_t barkv_crc32c_short(const void *bytes, size_t length, uint32_t seed) { return seed; }
#endif
