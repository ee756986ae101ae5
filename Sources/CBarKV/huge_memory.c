#define _GNU_SOURCE
#include "CBarKV.h"

#include <stdint.h>
#include <sys/mman.h>

void *barkv_huge_allocate(size_t length) {
  // Twice as much, of which the aligned part is kept: mmap aligns to pages only.
  char *start = mmap(NULL, 2 * length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return NULL;
  char *aligned = (char *)(((uintptr_t)start + length - 1) / length * length);
  if (aligned != start) munmap(start, (size_t)(aligned - start));
  if (aligned != start + length) munmap(aligned + length, (size_t)(start + length - aligned));
  // Without huge pages the memory is only slower.
  madvise(aligned, length, MADV_HUGEPAGE);
  return aligned;
}

void barkv_huge_free(void *memory, size_t length) { munmap(memory, length); }
