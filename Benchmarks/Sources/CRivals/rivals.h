// What the files of this target share.
#ifndef RIVALS_H
#define RIVALS_H

#include <string.h>

#include "CRivals.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct crv_rival crv_lmdb, crv_rocksdb, crv_leveldb, crv_tkrzw, crv_kyotocabinet, crv_wiredtiger,
    crv_sqlite;

// In a file of its own, because it is in C++.
void crv_rocksdb_version(char *text, size_t capacity);

// Keeps a message for `crv_message`; always `crv_failed`.
__attribute__((format(printf, 1, 2))) enum crv_answer crv_fail(const char *format, ...);

// Copies a value that was found to the caller's buffer.
static inline enum crv_answer crv_copy(const void *found, size_t bytes, void *value, size_t capacity, size_t *copied) {
  if (bytes > capacity) {
    return crv_fail("a value has %zu bytes, and at most %zu were put", bytes, capacity);
  }
  memcpy(value, found, bytes);
  *copied = bytes;
  return crv_done;
}

// Checks and copies one record of a scan: a value begins with the number that its key ends with.
static inline enum crv_answer crv_scanned(const void *key, size_t key_bytes, const void *found, size_t bytes, void *value,
                                          size_t capacity) {
  size_t copied;
  if (key_bytes != crv_key_bytes || bytes < crv_key_bytes / 2 ||
      memcmp((const char *)key + crv_key_bytes / 2, found, crv_key_bytes / 2) != 0) {
    return crv_fail("a scan met a record whose value is not its key's");
  }
  return crv_copy(found, bytes, value, capacity, &copied);
}

#ifdef __cplusplus
}
#endif

#endif
