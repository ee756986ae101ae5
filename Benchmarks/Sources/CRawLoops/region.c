// Mappings, and the order in which the benchmarks visit entries.

// For O_TMPFILE and MAP_POPULATE.
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CRawLoops.h"

int crl_region_open(struct crl_region *region, const char *directory, size_t bytes, bool prefault) {
  int descriptor = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return errno;
  }
  int code = posix_fallocate(descriptor, 0, (off_t)bytes);
  if (code == 0) {
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | (prefault ? MAP_POPULATE : 0), descriptor, 0);
    if (base == MAP_FAILED) {
      code = errno;
    } else {
      region->base = base;
      region->bytes = bytes;
    }
  }
  close(descriptor);
  return code;
}

void crl_region_close(struct crl_region *region) {
  if (region->base != NULL) {
    munmap(region->base, region->bytes);
  }
  region->base = NULL;
  region->bytes = 0;
}

void crl_permutation(uint32_t *order, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    order[i] = (uint32_t)i;
  }
  // Fisher and Yates; the bias of the multiplication is far below anything that a cache could see.
  for (size_t i = count; i > 1; i--) {
    size_t other = (size_t)(((unsigned __int128)crl_mix(seed + i) * i) >> 64);
    uint32_t number = order[i - 1];
    order[i - 1] = order[other];
    order[other] = number;
  }
}
