// The ceiling: raw plus an open-addressing index.

#define _GNU_SOURCE

#include <errno.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lines.h"

enum {
  // What an empty slot holds. A slot in use has a line number of 1 or more.
  slot_empty = 0,
  // What a slot holds whose entry was deleted: tag 0, line number 1, which is never given out.
  slot_deleted = 1,
  // The first line of the region that holds a record.
  first_line = 1,
  location_bits = 48,
  huge_page_bytes = 2 << 20,
  staging_bytes = 4096,
};

_Static_assert(crl_header_bytes + crl_key_bytes + crl_maximum_value_bytes <= staging_bytes,
               "the staging buffer holds the largest record");

static const uint64_t location_mask = ((uint64_t)1 << location_bits) - 1;

// MARK: Opening

int crl_ceiling_open(struct crl_ceiling *ceiling, const char *directory, size_t region_bytes, size_t keys,
                     size_t value_bytes) {
  if (value_bytes < sizeof(uint64_t) || value_bytes > crl_maximum_value_bytes) {
    return EINVAL;
  }
  uint64_t slots = 1024;
  while (slots < 2 * (uint64_t)keys) {
    slots *= 2;
  }
  size_t slot_bytes = slots * sizeof(uint64_t);
  slot_bytes = (slot_bytes + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
  int code = crl_region_open(&ceiling->region, directory, region_bytes + crl_line_bytes, true);
  if (code != 0) {
    return code;
  }
  void *memory = mmap(NULL, slot_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    code = errno;
    crl_region_close(&ceiling->region);
    return code;
  }
  // Huge pages where the kernel gives them; without them the index is only slower.
  (void)madvise(memory, slot_bytes, MADV_HUGEPAGE);
  memset(memory, slot_empty, slot_bytes);
  ceiling->tail = (size_t)(first_line * crl_line_bytes);
  ceiling->value_bytes = value_bytes;
  ceiling->slots = memory;
  ceiling->slot_bytes = slot_bytes;
  ceiling->mask = slots - 1;
  return 0;
}

void crl_ceiling_close(struct crl_ceiling *ceiling) {
  if (ceiling->slots != NULL) {
    munmap(ceiling->slots, ceiling->slot_bytes);
  }
  ceiling->slots = NULL;
  crl_region_close(&ceiling->region);
}

// MARK: Records and slots

#define CRL_INLINE __attribute__((always_inline)) static inline

// Puts a record together: header, key, value. The header holds the lengths; a store would add its checksum there.
CRL_INLINE void stage(uint8_t *staging, const uint8_t *key, const uint8_t *value, size_t value_bytes) {
  uint32_t header[3] = {crl_key_bytes, (uint32_t)value_bytes, 0};
  memcpy(staging, header, crl_header_bytes);
  memcpy(staging + crl_header_bytes, key, crl_key_bytes);
  memcpy(staging + crl_header_bytes + crl_key_bytes, value, value_bytes);
}

CRL_INLINE uint64_t hash_of(const uint8_t *key) { return XXH3_64bits_withSeed(key, crl_key_bytes, 0x42415256u); }

CRL_INLINE uint64_t slot_for(uint64_t hash, size_t offset) {
  return (hash & ~location_mask) | ((offset / crl_line_bytes) + first_line);
}

CRL_INLINE const uint8_t *record_at(const struct crl_ceiling *ceiling, uint64_t slot) {
  return ceiling->region.base + ((slot & location_mask) - first_line) * crl_line_bytes;
}

// The slot of a key, or the empty slot at which its probe ends.
CRL_INLINE uint64_t *find(const struct crl_ceiling *ceiling, const uint8_t *key, uint64_t hash) {
  for (uint64_t i = hash & ceiling->mask;; i = (i + 1) & ceiling->mask) {
    uint64_t slot = ceiling->slots[i];
    if (slot == slot_empty) {
      return &ceiling->slots[i];
    }
    if (((slot ^ hash) & ~location_mask) == 0 && slot != slot_deleted &&
        memcmp(record_at(ceiling, slot) + crl_header_bytes, key, crl_key_bytes) == 0) {
      return &ceiling->slots[i];
    }
  }
}

// MARK: Work

CRL_EACH_PROCESSOR
void crl_ceiling_put(struct crl_ceiling *ceiling, uint64_t first, size_t count, uint8_t *value, size_t per_fence) {
  _Alignas(crl_line_bytes) uint8_t staging[staging_bytes] = {0};
  const size_t value_bytes = ceiling->value_bytes;
  const size_t record_bytes = crl_record_bytes(value_bytes);
  // What is written, but not behind a fence yet: it enters the index behind it, as a reader may not see it before. By
  // then the lines of the index have arrived.
  struct {
    uint8_t key[crl_key_bytes];
    uint64_t hash;
    size_t offset;
  } pending[crl_maximum_group];
  size_t waiting = 0;
  for (uint64_t number = first; number < first + count; number++) {
    uint8_t *key = pending[waiting].key;
    crl_key(number, key);
    memcpy(value, &number, sizeof number);
    uint64_t hash = hash_of(key);
    __builtin_prefetch(&ceiling->slots[hash & ceiling->mask], 1);
    size_t offset = ceiling->tail;
    stage(staging, key, value, value_bytes);
    crl_copy_lines(ceiling->region.base + offset, staging, record_bytes);
    ceiling->tail = offset + record_bytes;
    pending[waiting].hash = hash;
    pending[waiting].offset = offset;
    waiting++;
    if (waiting == per_fence || number + 1 == first + count) {
      crl_fence();
      for (size_t i = 0; i < waiting; i++) {
        *find(ceiling, pending[i].key, pending[i].hash) = slot_for(pending[i].hash, pending[i].offset);
      }
      waiting = 0;
    }
  }
}

CRL_EACH_PROCESSOR
size_t crl_ceiling_overwrite(struct crl_ceiling *ceiling, const uint32_t *order, size_t count, uint8_t *value) {
  _Alignas(crl_line_bytes) uint8_t staging[staging_bytes] = {0};
  const size_t value_bytes = ceiling->value_bytes;
  const size_t record_bytes = crl_record_bytes(value_bytes);
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t number = order[i];
    uint8_t key[crl_key_bytes];
    crl_key(number, key);
    memcpy(value, &number, sizeof number);
    uint64_t hash = hash_of(key);
    __builtin_prefetch(&ceiling->slots[hash & ceiling->mask], 1);
    size_t offset = ceiling->tail;
    stage(staging, key, value, value_bytes);
    crl_copy_lines(ceiling->region.base + offset, staging, record_bytes);
    ceiling->tail = offset + record_bytes;
    // Before the fence, so that the misses of the probe run beside it.
    uint64_t *slot = find(ceiling, key, hash);
    found += *slot != slot_empty;
    crl_fence();
    *slot = slot_for(hash, offset);
  }
  return found;
}

CRL_EACH_PROCESSOR
size_t crl_ceiling_delete(struct crl_ceiling *ceiling, const uint32_t *order, size_t count) {
  _Alignas(crl_line_bytes) uint8_t staging[crl_line_bytes] = {0};
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    uint8_t key[crl_key_bytes];
    crl_key(order[i], key);
    uint64_t hash = hash_of(key);
    __builtin_prefetch(&ceiling->slots[hash & ceiling->mask], 1);
    uint64_t *slot = find(ceiling, key, hash);
    if (*slot == slot_empty) {
      continue;
    }
    found++;
    stage(staging, key, key, 0);
    crl_copy_lines(ceiling->region.base + ceiling->tail, staging, crl_tombstone_bytes());
    ceiling->tail += crl_tombstone_bytes();
    crl_fence();
    *slot = slot_deleted;
  }
  return found;
}

uint64_t crl_ceiling_get(const struct crl_ceiling *ceiling, const uint32_t *order, size_t count, uint64_t offset,
                         uint8_t *value, size_t *found) {
  const size_t value_bytes = ceiling->value_bytes;
  uint64_t sum = 0;
  size_t hits = 0;
  for (size_t i = 0; i < count; i++) {
    uint8_t key[crl_key_bytes];
    crl_key(order[i] + offset, key);
    const uint64_t slot = *find(ceiling, key, hash_of(key));
    if (slot == slot_empty) {
      continue;
    }
    memcpy(value, record_at(ceiling, slot) + crl_header_bytes + crl_key_bytes, value_bytes);
    uint64_t number;
    memcpy(&number, value, sizeof number);
    sum += number;
    hits++;
    // The caller's buffer is the product: no copy may be left out.
    __asm__ volatile("" ::: "memory");
  }
  *found = hits;
  return sum;
}

// The slot that has a key's tag, before any record is looked at; or the empty slot at which its probe ends.
CRL_INLINE uint64_t tagged(const struct crl_ceiling *ceiling, uint64_t hash) {
  for (uint64_t i = hash & ceiling->mask;; i = (i + 1) & ceiling->mask) {
    uint64_t slot = ceiling->slots[i];
    if (slot == slot_empty || (((slot ^ hash) & ~location_mask) == 0 && slot != slot_deleted)) {
      return slot;
    }
  }
}

uint64_t crl_ceiling_get_many(const struct crl_ceiling *ceiling, const uint32_t *order, size_t count, uint8_t *value,
                              size_t *found) {
  const size_t value_bytes = ceiling->value_bytes;
  uint64_t sum = 0;
  size_t hits = 0;
  for (size_t first = 0; first < count; first += crl_get_group) {
    const size_t group = count - first < crl_get_group ? count - first : crl_get_group;
    uint8_t keys[crl_get_group][crl_key_bytes];
    uint64_t hashes[crl_get_group], slots[crl_get_group];
    for (size_t i = 0; i < group; i++) {
      crl_key(order[first + i], keys[i]);
      hashes[i] = hash_of(keys[i]);
      __builtin_prefetch(&ceiling->slots[hashes[i] & ceiling->mask]);
    }
    for (size_t i = 0; i < group; i++) {
      slots[i] = tagged(ceiling, hashes[i]);
      const uint8_t *record = record_at(ceiling, slots[i]);
      __builtin_prefetch(record);
      __builtin_prefetch(record + crl_line_bytes);
    }
    for (size_t i = 0; i < group; i++) {
      uint64_t slot = slots[i];
      if (slot != slot_empty && memcmp(record_at(ceiling, slot) + crl_header_bytes, keys[i], crl_key_bytes) != 0) {
        slot = *find(ceiling, keys[i], hashes[i]);
      }
      if (slot == slot_empty) {
        continue;
      }
      memcpy(value, record_at(ceiling, slot) + crl_header_bytes + crl_key_bytes, value_bytes);
      uint64_t number;
      memcpy(&number, value, sizeof number);
      sum += number;
      hits++;
      __asm__ volatile("" ::: "memory");
    }
  }
  *found = hits;
  return sum;
}
