// Kyoto Cabinet: a hash table in a mapped file.

#include <kclangc.h>
#include <stdio.h>
#include <stdlib.h>

#include "rivals.h"

struct kyoto_session {
  KCDB *database;
  enum crv_mode mode;
};

static enum crv_answer kyoto_fail(const char *call, KCDB *database) {
  return crv_fail("%s: %s: %s", call, kcecodename(kcdbecode(database)), kcdbemsg(database));
}

static void kyoto_version(char *text, size_t capacity) { (void)snprintf(text, capacity, "%s", KCVERSION); }

static enum crv_answer kyoto_open(const struct crv_options *options, void **opened) {
  char path[512];
  uint64_t file_bytes = options->records * (options->value_bytes + 64) * 3 + ((uint64_t)1 << 28);
  int length = snprintf(path, sizeof path, "%s/kyoto.kch#bnum=%llu#msiz=%llu#opts=l#dfunit=8", options->directory,
                        (unsigned long long)(options->records * 2), (unsigned long long)file_bytes);
  if (length < 0 || (size_t)length >= sizeof path) {
    return crv_fail("the directory's name is too long");
  }
  KCDB *database = kcdbnew();
  if (!kcdbopen(database, path, KCOWRITER | (options->create ? KCOCREATE : 0))) {
    enum crv_answer answer = kyoto_fail("kcdbopen", database);
    kcdbdel(database);
    return answer;
  }
  *opened = database;
  return crv_done;
}

static enum crv_answer kyoto_settle(void *opaque) {
  return kcdbsync(opaque, 1, NULL, NULL) ? crv_done : kyoto_fail("kcdbsync", opaque);
}

static enum crv_answer kyoto_close(void *opaque) {
  enum crv_answer answer = kcdbclose(opaque) ? crv_done : kyoto_fail("kcdbclose", opaque);
  kcdbdel(opaque);
  return answer;
}

static enum crv_answer kyoto_begin(void *opaque, void **begun) {
  struct kyoto_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return crv_fail("no memory");
  }
  session->database = opaque;
  *begun = session;
  return crv_done;
}

static enum crv_answer kyoto_set_mode(void *opaque, enum crv_mode mode) {
  struct kyoto_session *session = opaque;
  session->mode = mode;
  return mode == crv_durable ? kyoto_settle(session->database) : crv_done;
}

static enum crv_answer kyoto_end(void *opaque) {
  free(opaque);
  return crv_done;
}

// What follows a write: in durable mode the file is synchronised.
static enum crv_answer kyoto_written(struct kyoto_session *session) {
  return session->mode == crv_durable ? kyoto_settle(session->database) : crv_done;
}

static enum crv_answer kyoto_put(void *opaque, const void *key, const void *value, size_t bytes) {
  struct kyoto_session *session = opaque;
  if (!kcdbset(session->database, key, crv_key_bytes, value, bytes)) {
    return kyoto_fail("kcdbset", session->database);
  }
  return kyoto_written(session);
}

static enum crv_answer kyoto_get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  struct kyoto_session *session = opaque;
  int32_t found = kcdbgetbuf(session->database, key, crv_key_bytes, value, capacity);
  if (found < 0) {
    return kcdbecode(session->database) == KCENOREC ? crv_absent : kyoto_fail("kcdbgetbuf", session->database);
  }
  *bytes = (size_t)found;
  return crv_done;
}

static enum crv_answer kyoto_remove(void *opaque, const void *key) {
  struct kyoto_session *session = opaque;
  if (!kcdbremove(session->database, key, crv_key_bytes)) {
    return kcdbecode(session->database) == KCENOREC ? crv_absent : kyoto_fail("kcdbremove", session->database);
  }
  return kyoto_written(session);
}

const struct crv_rival crv_kyotocabinet = {
    .identifier = "kyotocabinet",
    .name = "Kyoto Cabinet",
    .settings =
        "HashDB; bnum twice the number of records, so that a bucket has half a record (kchashdb.h, tune_buckets)\n"
        "msiz over all of the file: everything is in the mapping (kchashdb.h, tune_map)\n"
        "opts=l, buckets chained in a list, and dfunit=8, defragmentation (kchashdb.h, tune_options, tune_defrag)\n"
        "durable: kcdbsync(hard) after each write, as OAUTOSYNC does (kclangc.h, kcdbopen)\n"
        "fastest: nothing is synchronised\n",
    .ordered = false,
    .version = kyoto_version,
    .open = kyoto_open,
    .settle = kyoto_settle,
    .close = kyoto_close,
    .begin = kyoto_begin,
    .set_mode = kyoto_set_mode,
    .end = kyoto_end,
    .put = kyoto_put,
    .get = kyoto_get,
    .remove = kyoto_remove,
    .scan = NULL,
};
