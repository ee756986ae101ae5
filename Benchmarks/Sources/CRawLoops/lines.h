// Full-line non-temporal copies and the fence behind them, for the widest vectors that the processor has.
#ifndef C_RAW_LOOPS_LINES_H
#define C_RAW_LOOPS_LINES_H

#include "CRawLoops.h"

// A cache line as one value: the compiler splits it into the widest registers of the function that it is inlined into.
typedef uint64_t crl_line __attribute__((vector_size(crl_line_bytes)));

// The same at any address.
typedef uint64_t crl_unaligned_line __attribute__((vector_size(crl_line_bytes), aligned(1), may_alias));

#if defined(__x86_64__)
// A loop compiled for several processors: the best one is chosen when the program is loaded.
#define CRL_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CRL_EACH_PROCESSOR
#endif

// Copies `bytes` bytes, a multiple of the line, to a target that starts on a line, past the caches.
__attribute__((always_inline)) static inline void crl_copy_lines(uint8_t *target, const uint8_t *source, size_t bytes) {
  for (size_t at = 0; at < bytes; at += crl_line_bytes) {
    crl_line line = *(const crl_unaligned_line *)(source + at);
    __builtin_nontemporal_store(line, (crl_line *)(target + at));
  }
}

// Orders all stores before it, non-temporal ones too, before those behind it.
__attribute__((always_inline)) static inline void crl_fence(void) {
#if defined(__x86_64__)
  __asm__ volatile("sfence" ::: "memory");
#elif defined(__aarch64__)
  __asm__ volatile("dmb ishst" ::: "memory");
#else
#error "no store fence for this processor"
#endif
}

#endif
