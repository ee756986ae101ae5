// The list, and the messages.

#include "rivals.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

static const struct crv_rival *const list[] = {
    &crv_lmdb, &crv_rocksdb, &crv_leveldb, &crv_wiredtiger, &crv_tkrzw, &crv_kyotocabinet, &crv_sqlite,
};

const struct crv_rival *const *crv_rivals(size_t *count) {
  *count = sizeof list / sizeof list[0];
  return list;
}

void crv_release_memory(void) {
  // Whether there was any is all that it answers.
  (void)malloc_trim(0);
}

static _Thread_local char message[512] = "nothing failed";

const char *crv_message(void) { return message; }

enum crv_answer crv_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return crv_failed;
}
