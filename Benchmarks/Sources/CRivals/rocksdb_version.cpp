// The version has a header in C++ only.

#include <rocksdb/version.h>

#include <cstdio>

#include "rivals.h"

void crv_rocksdb_version(char *text, size_t capacity) {
  (void)std::snprintf(text, capacity, "%d.%d.%d", ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH);
}
