// LevelDB: a log-structured merge tree, through its C interface.

#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "rivals.h"

struct leveldb_store {
  leveldb_t *database;
  leveldb_options_t *options;
  leveldb_filterpolicy_t *filter;
  leveldb_cache_t *cache;
};

struct leveldb_session {
  struct leveldb_store *store;
  leveldb_writeoptions_t *writing;
  leveldb_readoptions_t *reading;
};

// Keeps LevelDB's message and frees it.
static enum crv_answer leveldb_fail(const char *call, char *error) {
  enum crv_answer answer = crv_fail("%s: %s", call, error);
  leveldb_free(error);
  return answer;
}

static void leveldb_version(char *text, size_t capacity) {
  (void)snprintf(text, capacity, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void leveldb_dispose(struct leveldb_store *store) {
  if (store->database != NULL) {
    leveldb_close(store->database);
  }
  leveldb_options_destroy(store->options);
  leveldb_filterpolicy_destroy(store->filter);
  leveldb_cache_destroy(store->cache);
  free(store);
}

static enum crv_answer leveldb_store_open(const struct crv_options *options, void **opened) {
  char path[512];
  int length = snprintf(path, sizeof path, "%s/leveldb", options->directory);
  if (length < 0 || (size_t)length >= sizeof path) {
    return crv_fail("the directory's name is too long");
  }
  struct leveldb_store *store = calloc(1, sizeof *store);
  if (store == NULL) {
    return crv_fail("no memory");
  }
  store->options = leveldb_options_create();
  store->filter = leveldb_filterpolicy_create_bloom(10);
  // All data and half as much again.
  store->cache = leveldb_cache_create_lru((size_t)(options->records * (options->value_bytes + 64) * 3 / 2));
  leveldb_options_set_create_if_missing(store->options, options->create);
  leveldb_options_set_error_if_exists(store->options, options->create);
  leveldb_options_set_filter_policy(store->options, store->filter);
  leveldb_options_set_cache(store->options, store->cache);
  leveldb_options_set_compression(store->options, leveldb_no_compression);
  leveldb_options_set_write_buffer_size(store->options, (size_t)64 << 20);
  leveldb_options_set_max_file_size(store->options, (size_t)32 << 20);
  leveldb_options_set_max_open_files(store->options, 10000);
  char *error = NULL;
  store->database = leveldb_open(store->options, path, &error);
  if (error != NULL) {
    leveldb_dispose(store);
    return leveldb_fail("leveldb_open", error);
  }
  *opened = store;
  return crv_done;
}

static enum crv_answer leveldb_store_settle(void *opaque) {
  struct leveldb_store *store = opaque;
  leveldb_compact_range(store->database, NULL, 0, NULL, 0);
  return crv_done;
}

static enum crv_answer leveldb_store_close(void *opaque) {
  leveldb_dispose(opaque);
  return crv_done;
}

static enum crv_answer leveldb_begin(void *opaque, void **begun) {
  struct leveldb_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return crv_fail("no memory");
  }
  session->store = opaque;
  session->writing = leveldb_writeoptions_create();
  leveldb_writeoptions_set_sync(session->writing, 1);
  session->reading = leveldb_readoptions_create();
  *begun = session;
  return crv_done;
}

static enum crv_answer leveldb_set_mode(void *opaque, enum crv_mode mode) {
  struct leveldb_session *session = opaque;
  leveldb_writeoptions_set_sync(session->writing, mode == crv_durable);
  return crv_done;
}

static enum crv_answer leveldb_end(void *opaque) {
  struct leveldb_session *session = opaque;
  leveldb_writeoptions_destroy(session->writing);
  leveldb_readoptions_destroy(session->reading);
  free(session);
  return crv_done;
}

static enum crv_answer leveldb_session_put(void *opaque, const void *key, const void *value, size_t bytes) {
  struct leveldb_session *session = opaque;
  char *error = NULL;
  leveldb_put(session->store->database, session->writing, key, crv_key_bytes, value, bytes, &error);
  return error == NULL ? crv_done : leveldb_fail("leveldb_put", error);
}

static enum crv_answer leveldb_session_get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  struct leveldb_session *session = opaque;
  char *error = NULL;
  size_t found_bytes;
  char *found = leveldb_get(session->store->database, session->reading, key, crv_key_bytes, &found_bytes, &error);
  if (error != NULL) {
    return leveldb_fail("leveldb_get", error);
  }
  if (found == NULL) {
    return crv_absent;
  }
  enum crv_answer answer = crv_copy(found, found_bytes, value, capacity, bytes);
  leveldb_free(found);
  return answer;
}

static enum crv_answer leveldb_session_remove(void *opaque, const void *key) {
  struct leveldb_session *session = opaque;
  char *error = NULL;
  leveldb_delete(session->store->database, session->writing, key, crv_key_bytes, &error);
  return error == NULL ? crv_done : leveldb_fail("leveldb_delete", error);
}

static enum crv_answer leveldb_session_scan(void *opaque, const void *key, size_t count, void *value, size_t capacity,
                                            size_t *found) {
  struct leveldb_session *session = opaque;
  leveldb_iterator_t *iterator = leveldb_create_iterator(session->store->database, session->reading);
  enum crv_answer answer = crv_done;
  size_t seen = 0;
  for (leveldb_iter_seek(iterator, key, crv_key_bytes); seen < count && leveldb_iter_valid(iterator);
       leveldb_iter_next(iterator)) {
    size_t name_bytes, bytes;
    const char *name = leveldb_iter_key(iterator, &name_bytes);
    const char *data = leveldb_iter_value(iterator, &bytes);
    answer = crv_scanned(name, name_bytes, data, bytes, value, capacity);
    if (answer != crv_done) {
      break;
    }
    seen++;
  }
  char *error = NULL;
  leveldb_iter_get_error(iterator, &error);
  leveldb_iter_destroy(iterator);
  if (error != NULL) {
    return leveldb_fail("leveldb_iter_next", error);
  }
  *found = seen;
  return answer;
}

const struct crv_rival crv_leveldb = {
    .identifier = "leveldb",
    .name = "LevelDB",
    .settings =
        "a cache for all data, a Bloom filter of 10 bits (LevelDB doc/index.md, \"Cache\" and \"Filters\")\n"
        "a write buffer of 64 MiB and files of 32 MiB, for speed of loads (leveldb/options.h)\n"
        "no compression: the values do not compress, and the medium is memory (doc/index.md, \"Compression\")\n"
        "after the load it is compacted, outside the times\n"
        "durable: WriteOptions::sync (doc/index.md, \"Synchronous Writes\")\n"
        "fastest: without it, the default; the log cannot be switched off\n",
    .ordered = true,
    .version = leveldb_version,
    .open = leveldb_store_open,
    .settle = leveldb_store_settle,
    .close = leveldb_store_close,
    .begin = leveldb_begin,
    .set_mode = leveldb_set_mode,
    .end = leveldb_end,
    .put = leveldb_session_put,
    .get = leveldb_session_get,
    .remove = leveldb_session_remove,
    .scan = leveldb_session_scan,
};
