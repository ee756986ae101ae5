// SQLite: a table without rowids, prepared statements, a write-ahead log; a connection a thread.

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "rivals.h"

enum { sqlite_path_bytes = 512 };

struct sqlite_store {
  char path[sqlite_path_bytes];
  bool is_shared;
  uint64_t data_bytes;
};

struct sqlite_session {
  sqlite3 *database;
  sqlite3_stmt *put;
  sqlite3_stmt *get;
  sqlite3_stmt *remove;
  sqlite3_stmt *scan;
  enum crv_mode mode;
  // Whether a transaction of bulk puts has begun.
  bool is_in_bulk;
};

static enum crv_answer sqlite_fail(const char *call, sqlite3 *database) {
  return crv_fail("%s: %s", call, sqlite3_errmsg(database));
}

static void sqlite_version(char *text, size_t capacity) { (void)snprintf(text, capacity, "%s", sqlite3_libversion()); }

static enum crv_answer sqlite_run(sqlite3 *database, const char *statement) {
  return sqlite3_exec(database, statement, NULL, NULL, NULL) == SQLITE_OK ? crv_done : sqlite_fail(statement, database);
}

// Opens a connection with all its settings.
static enum crv_answer sqlite_connect(const struct sqlite_store *store, int flags, sqlite3 **connected) {
  sqlite3 *database;
  if (sqlite3_open_v2(store->path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | flags, NULL) != SQLITE_OK) {
    enum crv_answer answer = sqlite_fail("sqlite3_open_v2", database);
    (void)sqlite3_close(database);
    return answer;
  }
  char settings[256];
  (void)snprintf(settings, sizeof settings,
                 "PRAGMA locking_mode=%s; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                 "PRAGMA cache_size=-65536; PRAGMA mmap_size=%llu;",
                 store->is_shared ? "NORMAL" : "EXCLUSIVE", (unsigned long long)store->data_bytes);
  enum crv_answer answer = sqlite_run(database, settings);
  if (answer == crv_done && sqlite3_busy_timeout(database, 60000) != SQLITE_OK) {
    answer = sqlite_fail("sqlite3_busy_timeout", database);
  }
  if (answer != crv_done) {
    (void)sqlite3_close(database);
    return answer;
  }
  *connected = database;
  return crv_done;
}

static enum crv_answer sqlite_open(const struct crv_options *options, void **opened) {
  struct sqlite_store *store = calloc(1, sizeof *store);
  if (store == NULL) {
    return crv_fail("no memory");
  }
  int length = snprintf(store->path, sizeof store->path, "%s/sqlite", options->directory);
  if (length < 0 || (size_t)length >= sizeof store->path) {
    free(store);
    return crv_fail("the directory's name is too long");
  }
  store->is_shared = options->threads > 1;
  store->data_bytes = options->records * (options->value_bytes + 64) * 4 + ((uint64_t)1 << 28);
  if (options->create) {
    sqlite3 *database;
    enum crv_answer answer = sqlite_connect(store, SQLITE_OPEN_CREATE, &database);
    if (answer == crv_done) {
      answer = sqlite_run(database, "CREATE TABLE records(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
      if (sqlite3_close(database) != SQLITE_OK && answer == crv_done) {
        answer = crv_fail("sqlite3_close failed");
      }
    }
    if (answer != crv_done) {
      free(store);
      return answer;
    }
  }
  *opened = store;
  return crv_done;
}

static enum crv_answer sqlite_settle(void *opaque) {
  (void)opaque;
  return crv_done;
}

static enum crv_answer sqlite_close(void *opaque) {
  free(opaque);
  return crv_done;
}

static enum crv_answer sqlite_prepare(sqlite3 *database, const char *text, sqlite3_stmt **statement) {
  return sqlite3_prepare_v3(database, text, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK
             ? crv_done
             : sqlite_fail(text, database);
}

static enum crv_answer sqlite_commit_bulk(struct sqlite_session *session) {
  bool was_in_bulk = session->is_in_bulk;
  session->is_in_bulk = false;
  return was_in_bulk ? sqlite_run(session->database, "COMMIT") : crv_done;
}

static enum crv_answer sqlite_end(void *opaque) {
  struct sqlite_session *session = opaque;
  enum crv_answer answer = sqlite_commit_bulk(session);
  (void)sqlite3_finalize(session->put);
  (void)sqlite3_finalize(session->get);
  (void)sqlite3_finalize(session->remove);
  (void)sqlite3_finalize(session->scan);
  if (sqlite3_close(session->database) != SQLITE_OK && answer == crv_done) {
    answer = crv_fail("sqlite3_close failed");
  }
  free(session);
  return answer;
}

static enum crv_answer sqlite_begin(void *opaque, void **begun) {
  struct sqlite_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return crv_fail("no memory");
  }
  enum crv_answer answer = sqlite_connect(opaque, 0, &session->database);
  if (answer != crv_done) {
    free(session);
    return answer;
  }
  static const char put[] =
      "INSERT INTO records VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value";
  if ((answer = sqlite_prepare(session->database, put, &session->put)) != crv_done ||
      (answer = sqlite_prepare(session->database, "SELECT value FROM records WHERE key = ?1", &session->get)) !=
          crv_done ||
      (answer = sqlite_prepare(session->database, "DELETE FROM records WHERE key = ?1", &session->remove)) != crv_done ||
      (answer = sqlite_prepare(session->database, "SELECT key, value FROM records WHERE key >= ?1 ORDER BY key LIMIT ?2",
                               &session->scan)) != crv_done) {
    (void)sqlite_end(session);
    return answer;
  }
  *begun = session;
  return crv_done;
}

static enum crv_answer sqlite_set_mode(void *opaque, enum crv_mode mode) {
  struct sqlite_session *session = opaque;
  enum crv_answer answer = sqlite_commit_bulk(session);
  if (answer == crv_done && session->mode == crv_bulk && mode != crv_bulk) {
    answer = sqlite_run(session->database, "PRAGMA cache_size=-65536; PRAGMA shrink_memory");
  }
  if (answer == crv_done && mode == crv_bulk) {
    // All bulk puts are one transaction, whose pages stay in memory until it ends.
    answer = sqlite_run(session->database, "PRAGMA cache_size=-4000000");
  }
  if (answer == crv_done) {
    session->mode = mode;
    answer = sqlite_run(session->database, mode == crv_durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
  }
  return answer;
}

// Binds a key, whose bytes stay where they are until the statement is reset.
static enum crv_answer sqlite_bind_key(struct sqlite_session *session, sqlite3_stmt *statement, const void *key) {
  return sqlite3_bind_blob(statement, 1, key, crv_key_bytes, SQLITE_STATIC) == SQLITE_OK
             ? crv_done
             : sqlite_fail("sqlite3_bind_blob", session->database);
}

// Runs a statement that has no rows.
static enum crv_answer sqlite_finish(struct sqlite_session *session, sqlite3_stmt *statement) {
  int stepped = sqlite3_step(statement);
  int code = sqlite3_reset(statement);
  return stepped == SQLITE_DONE && code == SQLITE_OK ? crv_done : sqlite_fail("sqlite3_step", session->database);
}

static enum crv_answer sqlite_put(void *opaque, const void *key, const void *value, size_t bytes) {
  struct sqlite_session *session = opaque;
  if (session->mode == crv_bulk && !session->is_in_bulk) {
    enum crv_answer answer = sqlite_run(session->database, "BEGIN IMMEDIATE");
    if (answer != crv_done) {
      return answer;
    }
    session->is_in_bulk = true;
  }
  enum crv_answer answer = sqlite_bind_key(session, session->put, key);
  if (answer != crv_done) {
    return answer;
  }
  if (sqlite3_bind_blob(session->put, 2, value, (int)bytes, SQLITE_STATIC) != SQLITE_OK) {
    return sqlite_fail("sqlite3_bind_blob", session->database);
  }
  return sqlite_finish(session, session->put);
}

static enum crv_answer sqlite_get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  struct sqlite_session *session = opaque;
  enum crv_answer answer = sqlite_bind_key(session, session->get, key);
  if (answer != crv_done) {
    return answer;
  }
  int stepped = sqlite3_step(session->get);
  if (stepped == SQLITE_ROW) {
    const void *found = sqlite3_column_blob(session->get, 0);
    answer = crv_copy(found, (size_t)sqlite3_column_bytes(session->get, 0), value, capacity, bytes);
  } else if (stepped == SQLITE_DONE) {
    answer = crv_absent;
  }
  int code = sqlite3_reset(session->get);
  return (stepped == SQLITE_ROW || stepped == SQLITE_DONE) && code == SQLITE_OK
             ? answer
             : sqlite_fail("sqlite3_step", session->database);
}

static enum crv_answer sqlite_remove(void *opaque, const void *key) {
  struct sqlite_session *session = opaque;
  enum crv_answer answer = sqlite_bind_key(session, session->remove, key);
  if (answer == crv_done) {
    answer = sqlite_finish(session, session->remove);
  }
  if (answer != crv_done) {
    return answer;
  }
  return sqlite3_changes(session->database) == 1 ? crv_done : crv_absent;
}

static enum crv_answer sqlite_scan(void *opaque, const void *key, size_t count, void *value, size_t capacity,
                                   size_t *found) {
  struct sqlite_session *session = opaque;
  enum crv_answer answer = sqlite_bind_key(session, session->scan, key);
  if (answer != crv_done) {
    return answer;
  }
  if (sqlite3_bind_int64(session->scan, 2, (sqlite3_int64)count) != SQLITE_OK) {
    return sqlite_fail("sqlite3_bind_int64", session->database);
  }
  size_t seen = 0;
  int stepped;
  while ((stepped = sqlite3_step(session->scan)) == SQLITE_ROW && answer == crv_done) {
    const void *name = sqlite3_column_blob(session->scan, 0);
    size_t name_bytes = (size_t)sqlite3_column_bytes(session->scan, 0);
    const void *data = sqlite3_column_blob(session->scan, 1);
    answer = crv_scanned(name, name_bytes, data, (size_t)sqlite3_column_bytes(session->scan, 1), value, capacity);
    seen++;
  }
  int code = sqlite3_reset(session->scan);
  if (answer == crv_done && (stepped != SQLITE_DONE || code != SQLITE_OK)) {
    return sqlite_fail("sqlite3_step", session->database);
  }
  *found = seen;
  return answer;
}

const struct crv_rival crv_sqlite = {
    .identifier = "sqlite",
    .name = "SQLite",
    .settings =
        "a table WITHOUT ROWID: the key's B-tree is the table (sqlite.org/withoutrowid.html)\n"
        "prepared statements, an upsert for puts; a connection a thread, SQLITE_OPEN_NOMUTEX (sqlite.org/threadsafe.html)\n"
        "journal_mode=WAL (sqlite.org/wal.html); locking_mode=EXCLUSIVE where there is one thread (sqlite.org/pragma.html)\n"
        "mmap_size over all of the file: reads without copies (sqlite.org/mmap.html); cache_size 64 MiB\n"
        "durable: synchronous=FULL, which WAL mode needs for it (sqlite.org/pragma.html#pragma_synchronous)\n"
        "fastest: synchronous=OFF (the same page)\n",
    .ordered = true,
    .version = sqlite_version,
    .open = sqlite_open,
    .settle = sqlite_settle,
    .close = sqlite_close,
    .begin = sqlite_begin,
    .set_mode = sqlite_set_mode,
    .end = sqlite_end,
    .put = sqlite_put,
    .get = sqlite_get,
    .remove = sqlite_remove,
    .scan = sqlite_scan,
};
