// What the memory itself gives: reads one after another and side by side, and copies.

#include "CRawLoops.h"

uint64_t crl_read_dependent(const uint8_t *base, size_t count) {
  uint64_t line = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(&line, base + line * crl_line_bytes, sizeof line);
  }
  return line;
}

uint64_t crl_read_pipelined(const uint8_t *base, size_t lines, size_t count, uint64_t seed) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t line = (uint64_t)(((unsigned __int128)crl_mix(seed + i) * lines) >> 64);
    uint64_t word;
    memcpy(&word, base + line * crl_line_bytes, sizeof word);
    sum += word;
  }
  return sum;
}

// Sattolo's shuffle: one cycle through all lines.
void crl_link_lines(uint8_t *base, size_t lines, uint64_t seed) {
  for (size_t i = 0; i < lines; i++) {
    uint64_t number = i;
    memcpy(base + i * crl_line_bytes, &number, sizeof number);
  }
  for (size_t i = lines - 1; i > 0; i--) {
    size_t other = (size_t)(((unsigned __int128)crl_mix(seed + i) * i) >> 64);
    uint64_t a, b;
    memcpy(&a, base + i * crl_line_bytes, sizeof a);
    memcpy(&b, base + other * crl_line_bytes, sizeof b);
    memcpy(base + i * crl_line_bytes, &b, sizeof b);
    memcpy(base + other * crl_line_bytes, &a, sizeof a);
  }
}

void crl_copy(uint8_t *target, const uint8_t *source, size_t bytes) {
  memcpy(target, source, bytes);
  // The copy is the product: it may not be left out.
  __asm__ volatile("" ::: "memory");
}
