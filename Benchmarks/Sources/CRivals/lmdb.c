// LMDB: a B+tree in a mapping, copy on write, one writer.

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "rivals.h"

struct lmdb_store {
  MDB_env *environment;
  MDB_dbi database;
};

struct lmdb_session {
  struct lmdb_store *store;
  // Renewed by each get and reset behind it.
  MDB_txn *reader;
  // The transaction that bulk puts share, and how many are in it.
  MDB_txn *bulk;
  size_t in_bulk;
  enum crv_mode mode;
};

static enum crv_answer lmdb_fail(const char *call, int code) {
  return crv_fail("%s: %s", call, mdb_strerror(code));
}

// Returns from the function where a call fails.
#define TRY(call)                     \
  do {                                \
    int code_ = (call);               \
    if (code_ != MDB_SUCCESS) {       \
      return lmdb_fail(#call, code_); \
    }                                 \
  } while (0)

static void lmdb_version(char *text, size_t capacity) {
  int major, minor, patch;
  (void)mdb_version(&major, &minor, &patch);
  (void)snprintf(text, capacity, "%d.%d.%d", major, minor, patch);
}

static enum crv_answer lmdb_close(void *opaque) {
  struct lmdb_store *store = opaque;
  // Whatever the mode before left unsynced.
  int code = mdb_env_sync(store->environment, 1);
  mdb_env_close(store->environment);
  free(store);
  return code == MDB_SUCCESS ? crv_done : lmdb_fail("mdb_env_sync", code);
}

static enum crv_answer lmdb_prepare(struct lmdb_store *store, const struct crv_options *options) {
  char path[512];
  int length = snprintf(path, sizeof path, "%s/lmdb", options->directory);
  if (length < 0 || (size_t)length >= sizeof path) {
    return crv_fail("the directory's name is too long");
  }
  // Large values have pages of their own; the file is sparse, so that what is not used costs nothing.
  uint64_t record = options->value_bytes <= 1024 ? options->value_bytes + 64 : (options->value_bytes / 4096 + 2) * 4096;
  TRY(mdb_env_set_mapsize(store->environment, (size_t)(6 * record * options->records + ((uint64_t)1 << 30))));
  TRY(mdb_env_set_maxreaders(store->environment, 128));
  TRY(mdb_env_open(store->environment, path, MDB_WRITEMAP | MDB_NOSUBDIR | MDB_NORDAHEAD | MDB_NOTLS | MDB_NOMEMINIT,
                   0600));
  MDB_txn *transaction;
  TRY(mdb_txn_begin(store->environment, NULL, 0, &transaction));
  TRY(mdb_dbi_open(transaction, NULL, 0, &store->database));
  TRY(mdb_txn_commit(transaction));
  return crv_done;
}

static enum crv_answer lmdb_open(const struct crv_options *options, void **opened) {
  struct lmdb_store *store = calloc(1, sizeof *store);
  if (store == NULL) {
    return crv_fail("no memory");
  }
  int code = mdb_env_create(&store->environment);
  if (code != MDB_SUCCESS) {
    free(store);
    return lmdb_fail("mdb_env_create", code);
  }
  enum crv_answer answer = lmdb_prepare(store, options);
  if (answer != crv_done) {
    mdb_env_close(store->environment);
    free(store);
    return answer;
  }
  *opened = store;
  return crv_done;
}

static enum crv_answer lmdb_settle(void *opaque) {
  struct lmdb_store *store = opaque;
  TRY(mdb_env_sync(store->environment, 1));
  return crv_done;
}

static enum crv_answer lmdb_begin(void *opaque, void **begun) {
  struct lmdb_store *store = opaque;
  struct lmdb_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return crv_fail("no memory");
  }
  session->store = store;
  int code = mdb_txn_begin(store->environment, NULL, MDB_RDONLY, &session->reader);
  if (code != MDB_SUCCESS) {
    free(session);
    return lmdb_fail("mdb_txn_begin", code);
  }
  mdb_txn_reset(session->reader);
  *begun = session;
  return crv_done;
}

static enum crv_answer lmdb_commit_bulk(struct lmdb_session *session) {
  MDB_txn *transaction = session->bulk;
  session->bulk = NULL;
  session->in_bulk = 0;
  if (transaction != NULL) {
    TRY(mdb_txn_commit(transaction));
  }
  return crv_done;
}

static enum crv_answer lmdb_set_mode(void *opaque, enum crv_mode mode) {
  struct lmdb_session *session = opaque;
  enum crv_answer answer = lmdb_commit_bulk(session);
  if (answer != crv_done) {
    return answer;
  }
  MDB_env *environment = session->store->environment;
  session->mode = mode;
  TRY(mdb_env_set_flags(environment, MDB_NOSYNC | MDB_MAPASYNC, mode != crv_durable));
  if (mode == crv_durable) {
    TRY(mdb_env_sync(environment, 1));
  }
  return crv_done;
}

static enum crv_answer lmdb_end(void *opaque) {
  struct lmdb_session *session = opaque;
  enum crv_answer answer = lmdb_commit_bulk(session);
  mdb_txn_abort(session->reader);
  free(session);
  return answer;
}

static enum crv_answer lmdb_put(void *opaque, const void *key, const void *value, size_t bytes) {
  struct lmdb_session *session = opaque;
  MDB_val name = {crv_key_bytes, (void *)key};
  MDB_val data = {bytes, (void *)value};
  if (session->mode != crv_bulk) {
    MDB_txn *transaction;
    TRY(mdb_txn_begin(session->store->environment, NULL, 0, &transaction));
    int code = mdb_put(transaction, session->store->database, &name, &data, 0);
    if (code != MDB_SUCCESS) {
      mdb_txn_abort(transaction);
      return lmdb_fail("mdb_put", code);
    }
    TRY(mdb_txn_commit(transaction));
    return crv_done;
  }
  if (session->bulk == NULL) {
    TRY(mdb_txn_begin(session->store->environment, NULL, 0, &session->bulk));
  }
  TRY(mdb_put(session->bulk, session->store->database, &name, &data, 0));
  return ++session->in_bulk == crv_bulk_puts ? lmdb_commit_bulk(session) : crv_done;
}

static enum crv_answer lmdb_get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  struct lmdb_session *session = opaque;
  TRY(mdb_txn_renew(session->reader));
  MDB_val name = {crv_key_bytes, (void *)key};
  MDB_val data;
  int code = mdb_get(session->reader, session->store->database, &name, &data);
  enum crv_answer answer = crv_absent;
  if (code == MDB_SUCCESS) {
    answer = crv_copy(data.mv_data, data.mv_size, value, capacity, bytes);
  } else if (code != MDB_NOTFOUND) {
    answer = lmdb_fail("mdb_get", code);
  }
  mdb_txn_reset(session->reader);
  return answer;
}

static enum crv_answer lmdb_remove(void *opaque, const void *key) {
  struct lmdb_session *session = opaque;
  MDB_val name = {crv_key_bytes, (void *)key};
  MDB_txn *transaction;
  TRY(mdb_txn_begin(session->store->environment, NULL, 0, &transaction));
  int code = mdb_del(transaction, session->store->database, &name, NULL);
  if (code != MDB_SUCCESS) {
    mdb_txn_abort(transaction);
    return code == MDB_NOTFOUND ? crv_absent : lmdb_fail("mdb_del", code);
  }
  TRY(mdb_txn_commit(transaction));
  return crv_done;
}

static enum crv_answer lmdb_scan(void *opaque, const void *key, size_t count, void *value, size_t capacity,
                                 size_t *found) {
  struct lmdb_session *session = opaque;
  TRY(mdb_txn_renew(session->reader));
  MDB_cursor *cursor;
  int code = mdb_cursor_open(session->reader, session->store->database, &cursor);
  if (code != MDB_SUCCESS) {
    mdb_txn_reset(session->reader);
    return lmdb_fail("mdb_cursor_open", code);
  }
  MDB_val name = {crv_key_bytes, (void *)key};
  MDB_val data;
  enum crv_answer answer = crv_done;
  size_t seen = 0;
  code = mdb_cursor_get(cursor, &name, &data, MDB_SET_RANGE);
  while (code == MDB_SUCCESS) {
    answer = crv_scanned(name.mv_data, name.mv_size, data.mv_data, data.mv_size, value, capacity);
    if (answer != crv_done || ++seen == count) {
      break;
    }
    code = mdb_cursor_get(cursor, &name, &data, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  mdb_txn_reset(session->reader);
  if (code != MDB_SUCCESS && code != MDB_NOTFOUND) {
    return lmdb_fail("mdb_cursor_get", code);
  }
  *found = seen;
  return answer;
}

const struct crv_rival crv_lmdb = {
    .identifier = "lmdb",
    .name = "LMDB",
    .settings =
        "MDB_WRITEMAP: writes go straight to the mapping, without a copy in malloc'ed pages (lmdb.h, mdb_env_open)\n"
        "MDB_NORDAHEAD, MDB_NOMEMINIT: no read-ahead, no zeroing of pages before use (lmdb.h, mdb_env_open)\n"
        "MDB_NOTLS, a read-only transaction per thread, reset and renewed for each get: lmdb.h, mdb_txn_renew\n"
        "durable: a transaction a write, with the default synchronisation: data, then the meta page (lmdb.h, mdb_txn_commit)\n"
        "fastest: MDB_NOSYNC | MDB_MAPASYNC, still a transaction a write (lmdb.h, mdb_env_set_flags)\n",
    .ordered = true,
    .version = lmdb_version,
    .open = lmdb_open,
    .settle = lmdb_settle,
    .close = lmdb_close,
    .begin = lmdb_begin,
    .set_mode = lmdb_set_mode,
    .end = lmdb_end,
    .put = lmdb_put,
    .get = lmdb_get,
    .remove = lmdb_remove,
    .scan = lmdb_scan,
};
