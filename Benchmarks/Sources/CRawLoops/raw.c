// The raw persist loop.

#include "lines.h"

enum {
  // The prepared records that the loop copies in turn: few enough to stay in the first-level cache, and room for the
  // largest record.
  prepared_bytes = 16384,
};

CRL_EACH_PROCESSOR
void crl_raw_put(uint8_t *target, size_t record_bytes, size_t count, size_t per_fence) {
  _Alignas(crl_line_bytes) uint8_t prepared[prepared_bytes];
  for (size_t at = 0; at < prepared_bytes; at += sizeof(uint64_t)) {
    uint64_t word = crl_mix(at);
    memcpy(prepared + at, &word, sizeof word);
  }
  size_t source = 0;
  size_t unfenced = 0;
  for (size_t i = 0; i < count; i++) {
    crl_copy_lines(target, prepared + source, record_bytes);
    target += record_bytes;
    source += record_bytes;
    if (source + record_bytes > prepared_bytes) {
      source = 0;
    }
    if (++unfenced == per_fence) {
      crl_fence();
      unfenced = 0;
    }
  }
  crl_fence();
}
