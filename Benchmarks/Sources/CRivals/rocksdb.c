// RocksDB: a log-structured merge tree, through its C interface.

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "rivals.h"

struct rocksdb_store {
  rocksdb_t *database;
  rocksdb_options_t *options;
};

struct rocksdb_session {
  struct rocksdb_store *store;
  rocksdb_writeoptions_t *writing;
  rocksdb_readoptions_t *reading;
  // Whether there were puts that are in memory only.
  bool has_unlogged;
};

// Keeps RocksDB's message and frees it.
static enum crv_answer rocksdb_fail(const char *call, char *error) {
  enum crv_answer answer = crv_fail("%s: %s", call, error);
  rocksdb_free(error);
  return answer;
}

// The options of the tuning guide's "In-memory database with full functionalities".
static rocksdb_options_t *rocksdb_tuned(const struct crv_options *options) {
  rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
  // The table owns the filter.
  rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
  rocksdb_block_based_options_set_no_block_cache(table, 1);
  rocksdb_block_based_options_set_block_restart_interval(table, 4);

  rocksdb_options_t *tuned = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(tuned, options->create);
  rocksdb_options_set_error_if_exists(tuned, options->create);
  rocksdb_options_set_block_based_table_factory(tuned, table);
  rocksdb_block_based_options_destroy(table);
  rocksdb_options_set_allow_mmap_reads(tuned, 1);
  rocksdb_options_set_compression(tuned, rocksdb_no_compression);
  rocksdb_options_set_level0_file_num_compaction_trigger(tuned, 1);
  rocksdb_options_set_max_background_jobs(tuned, 16);
  rocksdb_options_set_max_subcompactions(tuned, 4);
  rocksdb_options_set_max_open_files(tuned, -1);
  rocksdb_options_set_info_log_level(tuned, 2);
  return tuned;
}

static enum crv_answer rocksdb_store_open(const struct crv_options *options, void **opened) {
  char path[512];
  int length = snprintf(path, sizeof path, "%s/rocksdb", options->directory);
  if (length < 0 || (size_t)length >= sizeof path) {
    return crv_fail("the directory's name is too long");
  }
  struct rocksdb_store *store = calloc(1, sizeof *store);
  if (store == NULL) {
    return crv_fail("no memory");
  }
  store->options = rocksdb_tuned(options);
  char *error = NULL;
  store->database = rocksdb_open(store->options, path, &error);
  if (error != NULL) {
    rocksdb_options_destroy(store->options);
    free(store);
    return rocksdb_fail("rocksdb_open", error);
  }
  *opened = store;
  return crv_done;
}

static enum crv_answer rocksdb_store_flush(struct rocksdb_store *store) {
  char *error = NULL;
  rocksdb_flushoptions_t *flushing = rocksdb_flushoptions_create();
  rocksdb_flushoptions_set_wait(flushing, 1);
  rocksdb_flush(store->database, flushing, &error);
  rocksdb_flushoptions_destroy(flushing);
  return error == NULL ? crv_done : rocksdb_fail("rocksdb_flush", error);
}

static enum crv_answer rocksdb_store_settle(void *opaque) {
  struct rocksdb_store *store = opaque;
  enum crv_answer answer = rocksdb_store_flush(store);
  if (answer == crv_done) {
    rocksdb_compact_range(store->database, NULL, 0, NULL, 0);
  }
  return answer;
}

static enum crv_answer rocksdb_store_close(void *opaque) {
  struct rocksdb_store *store = opaque;
  rocksdb_close(store->database);
  rocksdb_options_destroy(store->options);
  free(store);
  return crv_done;
}

static enum crv_answer rocksdb_begin(void *opaque, void **begun) {
  struct rocksdb_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return crv_fail("no memory");
  }
  session->store = opaque;
  session->writing = rocksdb_writeoptions_create();
  rocksdb_writeoptions_set_sync(session->writing, 1);
  session->reading = rocksdb_readoptions_create();
  rocksdb_readoptions_set_verify_checksums(session->reading, 0);
  *begun = session;
  return crv_done;
}

static enum crv_answer rocksdb_set_mode(void *opaque, enum crv_mode mode) {
  struct rocksdb_session *session = opaque;
  rocksdb_writeoptions_set_sync(session->writing, mode == crv_durable);
  rocksdb_writeoptions_disable_WAL(session->writing, mode != crv_durable);
  session->has_unlogged = session->has_unlogged || mode != crv_durable;
  return crv_done;
}

static enum crv_answer rocksdb_end(void *opaque) {
  struct rocksdb_session *session = opaque;
  enum crv_answer answer = session->has_unlogged ? rocksdb_store_flush(session->store) : crv_done;
  rocksdb_writeoptions_destroy(session->writing);
  rocksdb_readoptions_destroy(session->reading);
  free(session);
  return answer;
}

static enum crv_answer rocksdb_session_put(void *opaque, const void *key, const void *value, size_t bytes) {
  struct rocksdb_session *session = opaque;
  char *error = NULL;
  rocksdb_put(session->store->database, session->writing, key, crv_key_bytes, value, bytes, &error);
  return error == NULL ? crv_done : rocksdb_fail("rocksdb_put", error);
}

static enum crv_answer rocksdb_session_get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  struct rocksdb_session *session = opaque;
  char *error = NULL;
  // Without a copy of RocksDB's own: the value stays in the mapped file.
  rocksdb_pinnableslice_t *pinned =
      rocksdb_get_pinned(session->store->database, session->reading, key, crv_key_bytes, &error);
  if (error != NULL) {
    return rocksdb_fail("rocksdb_get_pinned", error);
  }
  if (pinned == NULL) {
    return crv_absent;
  }
  size_t found_bytes;
  const char *found = rocksdb_pinnableslice_value(pinned, &found_bytes);
  enum crv_answer answer = crv_copy(found, found_bytes, value, capacity, bytes);
  rocksdb_pinnableslice_destroy(pinned);
  return answer;
}

static enum crv_answer rocksdb_session_remove(void *opaque, const void *key) {
  struct rocksdb_session *session = opaque;
  char *error = NULL;
  rocksdb_delete(session->store->database, session->writing, key, crv_key_bytes, &error);
  return error == NULL ? crv_done : rocksdb_fail("rocksdb_delete", error);
}

static enum crv_answer rocksdb_session_scan(void *opaque, const void *key, size_t count, void *value, size_t capacity,
                                            size_t *found) {
  struct rocksdb_session *session = opaque;
  rocksdb_iterator_t *iterator = rocksdb_create_iterator(session->store->database, session->reading);
  enum crv_answer answer = crv_done;
  size_t seen = 0;
  for (rocksdb_iter_seek(iterator, key, crv_key_bytes); seen < count && rocksdb_iter_valid(iterator);
       rocksdb_iter_next(iterator)) {
    size_t name_bytes, bytes;
    const char *name = rocksdb_iter_key(iterator, &name_bytes);
    const char *data = rocksdb_iter_value(iterator, &bytes);
    answer = crv_scanned(name, name_bytes, data, bytes, value, capacity);
    if (answer != crv_done) {
      break;
    }
    seen++;
  }
  char *error = NULL;
  rocksdb_iter_get_error(iterator, &error);
  rocksdb_iter_destroy(iterator);
  if (error != NULL) {
    return rocksdb_fail("rocksdb_iter_next", error);
  }
  *found = seen;
  return answer;
}

const struct crv_rival crv_rocksdb = {
    .identifier = "rocksdb",
    .name = "RocksDB",
    .settings =
        "allow_mmap_reads, no block cache, Bloom filter of 10 bits, restart interval 4, level 0 trigger 1, 16 background "
        "jobs, 4 subcompactions, all files open, no compression, no checksums on reads: RocksDB Tuning Guide, \"In-memory "
        "database with full functionalities\", which is for a database on tmpfs\n"
        "rocksdb_get_pinned: a get without a copy of its own (rocksdb/c.h)\n"
        "after the load it is flushed and compacted, outside the times: gets find one level (RocksDB FAQ)\n"
        "durable: WriteOptions::sync, the write-ahead log synchronised by each write (RocksDB wiki, Basic Operations)\n"
        "fastest: WriteOptions::disableWAL (RocksDB wiki, Basic Operations)\n",
    .ordered = true,
    .version = crv_rocksdb_version,
    .open = rocksdb_store_open,
    .settle = rocksdb_store_settle,
    .close = rocksdb_store_close,
    .begin = rocksdb_begin,
    .set_mode = rocksdb_set_mode,
    .end = rocksdb_end,
    .put = rocksdb_session_put,
    .get = rocksdb_session_get,
    .remove = rocksdb_session_remove,
    .scan = rocksdb_session_scan,
};
