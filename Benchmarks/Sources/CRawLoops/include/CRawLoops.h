// The loops in C that BarKV is measured against, and the input that both sides share.
//
// "raw" copies records into a mapping with full-line non-temporal stores and fences: nothing durable is faster.
// "ceiling" is raw plus one open-addressing index in DRAM, without checksum, recovery or concurrency: no store can be
// much faster.
#ifndef C_RAW_LOOPS_H
#define C_RAW_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
  // A cache line: records start on one, and go out as whole ones.
  crl_line_bytes = 64,
  // A record's header: as large as that of a BarKV record.
  crl_header_bytes = 12,
  crl_key_bytes = 16,
  // The most records that one fence covers.
  crl_maximum_group = 64,
  // The gets whose cache misses overlap.
  crl_get_group = 16,
  // The largest value: it bounds the buffer in which a record is put together.
  crl_maximum_value_bytes = 4000,
};

// MARK: Input

// Mixes all bits of a number into all bits of the result (the finaliser of splitmix64); no two numbers give the same.
static inline uint64_t crl_mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Writes the key of entry `number`: 16 bytes, the first 8 of which look random.
static inline void crl_key(uint64_t number, void *key) {
  uint64_t words[2] = {crl_mix(number), number};
  memcpy(key, words, sizeof words);
}

// Fills `order` with a random permutation of the numbers below `count`, the same for the same `seed`: the order of
// gets, overwrites and deletes, which no prefetcher can guess.
void crl_permutation(uint32_t *order, size_t count, uint64_t seed);

// MARK: A region

// A mapping of a file that has no name, so that nothing stays behind however the process ends.
struct crl_region {
  uint8_t *base;
  size_t bytes;
};

// Maps a new region of `bytes` bytes in `directory`. Its pages are allocated; where `prefault` is set they are also in
// the page table. 0, or an errno.
int crl_region_open(struct crl_region *region, const char *directory, size_t bytes, bool prefault);
void crl_region_close(struct crl_region *region);

// The bytes that a record with a value of `value_bytes` takes in the mapping: whole lines.
static inline size_t crl_record_bytes(size_t value_bytes) {
  size_t bytes = crl_header_bytes + crl_key_bytes + value_bytes;
  return (bytes + crl_line_bytes - 1) / crl_line_bytes * crl_line_bytes;
}

// The bytes that a tombstone takes: header and key.
static inline size_t crl_tombstone_bytes(void) { return crl_line_bytes; }

// MARK: Raw

// Copies `count` prepared records of `record_bytes` bytes, a multiple of the line, to `target` one after another, with
// a store fence after every `per_fence`. The records come from the first-level cache.
void crl_raw_put(uint8_t *target, size_t record_bytes, size_t count, size_t per_fence);

// MARK: Memory

// Makes each line of a region hold the number of another one, so that all are one cycle in random order.
void crl_link_lines(uint8_t *base, size_t lines, uint64_t seed);

// Follows `count` lines that were linked: no read can begin before the one before it has ended. The last line's number.
uint64_t crl_read_dependent(const uint8_t *base, size_t count);

// Reads `count` of `lines` lines whose numbers are known beforehand: the processor overlaps as many as it can. The sum of
// what they hold.
uint64_t crl_read_pipelined(const uint8_t *base, size_t lines, size_t count, uint64_t seed);

// Copies `bytes` bytes from one place to another that does not overlap it.
void crl_copy(uint8_t *target, const uint8_t *source, size_t bytes);

// MARK: Ceiling

// A store with nothing but speed: an append-only mapping and an index of it.
struct crl_ceiling {
  struct crl_region region;
  // Where the next record goes.
  size_t tail;
  size_t value_bytes;
  // The index: a power of two of slots, each a 16-bit tag and a 48-bit line number, probed linearly.
  uint64_t *slots;
  size_t slot_bytes;
  uint64_t mask;
};

// Opens an empty ceiling in `directory` for `keys` keys and `region_bytes` bytes of records; the index is at most half
// full. Everything is pre-faulted. 0, or an errno.
int crl_ceiling_open(struct crl_ceiling *ceiling, const char *directory, size_t region_bytes, size_t keys,
                     size_t value_bytes);
void crl_ceiling_close(struct crl_ceiling *ceiling);

// Appends entries `first` up to `first + count`, whose keys must be new, and indexes them; a fence every `per_fence`,
// which is at most `crl_maximum_group`.
// `value` has its first 8 bytes replaced by the entry's number.
void crl_ceiling_put(struct crl_ceiling *ceiling, uint64_t first, size_t count, uint8_t *value, size_t per_fence);

// Replaces the value of each entry of `order`, a fence each. The number of entries that were found.
size_t crl_ceiling_overwrite(struct crl_ceiling *ceiling, const uint32_t *order, size_t count, uint8_t *value);

// Deletes each entry of `order`, a fence each. The number of entries that were found.
size_t crl_ceiling_delete(struct crl_ceiling *ceiling, const uint32_t *order, size_t count);

// Looks up entry `order[i] + offset` for each i and copies its value to `value`. The sum of the first 8 bytes of the
// values found; `found` is how many.
uint64_t crl_ceiling_get(const struct crl_ceiling *ceiling, const uint32_t *order, size_t count, uint64_t offset,
                         uint8_t *value, size_t *found);

// The same for entries that are present, in groups: the misses of a group overlap, first those of the index, then those of
// the records.
uint64_t crl_ceiling_get_many(const struct crl_ceiling *ceiling, const uint32_t *order, size_t count, uint8_t *value,
                              size_t *found);

#endif
