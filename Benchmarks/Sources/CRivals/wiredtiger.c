// WiredTiger: a B+tree in a cache of its own, with a log; a session and a cursor a thread.

#include <stdio.h>
#include <stdlib.h>
#include <wiredtiger.h>

#include "rivals.h"

struct wiredtiger_session {
  WT_SESSION *session;
  WT_CURSOR *cursor;
  enum crv_mode mode;
  // Bulk puts in the transaction that has begun.
  size_t in_bulk;
};

static enum crv_answer wiredtiger_fail(const char *call, int code) {
  return crv_fail("%s: %s", call, wiredtiger_strerror(code));
}

// Returns from the function where a call fails.
#define TRY(call)                           \
  do {                                      \
    int code_ = (call);                     \
    if (code_ != 0) {                       \
      return wiredtiger_fail(#call, code_); \
    }                                       \
  } while (0)

static void wiredtiger_name_version(char *text, size_t capacity) {
  int major, minor, patch;
  (void)wiredtiger_version(&major, &minor, &patch);
  (void)snprintf(text, capacity, "%d.%d.%d", major, minor, patch);
}

static enum crv_answer wiredtiger_store_open(const struct crv_options *options, void **opened) {
  char settings[512];
  // All data, its overhead in memory, and what is written before it is reconciled.
  uint64_t cache_mebibytes = (options->records * (options->value_bytes + 200) * 2 >> 20) + 512;
  (void)snprintf(settings, sizeof settings,
                 "create=%s,exclusive=%s,cache_size=%lluM,log=(enabled=true,file_max=128M),"
                 "transaction_sync=(enabled=true,method=fsync),checkpoint=(log_size=512M),session_max=%u",
                 options->create ? "true" : "false", options->create ? "true" : "false",
                 (unsigned long long)cache_mebibytes, options->threads + 32);
  WT_CONNECTION *connection;
  TRY(wiredtiger_open(options->directory, NULL, settings, &connection));
  *opened = connection;
  return crv_done;
}

static enum crv_answer wiredtiger_settle(void *opaque) {
  WT_CONNECTION *connection = opaque;
  WT_SESSION *session;
  TRY(connection->open_session(connection, NULL, NULL, &session));
  TRY(session->checkpoint(session, NULL));
  TRY(session->close(session, NULL));
  return crv_done;
}

static enum crv_answer wiredtiger_store_close(void *opaque) {
  WT_CONNECTION *connection = opaque;
  TRY(connection->close(connection, NULL));
  return crv_done;
}

static enum crv_answer wiredtiger_begin(void *opaque, void **begun) {
  WT_CONNECTION *connection = opaque;
  WT_SESSION *session;
  TRY(connection->open_session(connection, NULL, NULL, &session));
  // Nothing happens where it is there.
  TRY(session->create(session, "table:records", "key_format=u,value_format=u"));
  WT_CURSOR *cursor;
  TRY(session->open_cursor(session, "table:records", NULL, NULL, &cursor));
  struct wiredtiger_session *state = calloc(1, sizeof *state);
  if (state == NULL) {
    return crv_fail("no memory");
  }
  state->session = session;
  state->cursor = cursor;
  *begun = state;
  return crv_done;
}

static enum crv_answer wiredtiger_commit_bulk(struct wiredtiger_session *state) {
  if (state->in_bulk > 0) {
    state->in_bulk = 0;
    TRY(state->session->commit_transaction(state->session, NULL));
  }
  return crv_done;
}

static enum crv_answer wiredtiger_set_mode(void *opaque, enum crv_mode mode) {
  struct wiredtiger_session *state = opaque;
  enum crv_answer answer = wiredtiger_commit_bulk(state);
  state->mode = mode;
  return answer;
}

static enum crv_answer wiredtiger_end(void *opaque) {
  struct wiredtiger_session *state = opaque;
  enum crv_answer answer = wiredtiger_commit_bulk(state);
  // Its cursor goes with it.
  int code = state->session->close(state->session, NULL);
  free(state);
  return answer == crv_done && code != 0 ? wiredtiger_fail("WT_SESSION::close", code) : answer;
}

// Begins what a write needs in the session's mode: without a transaction of its own a write is one, and is synchronised.
static enum crv_answer wiredtiger_begin_write(struct wiredtiger_session *state) {
  if (state->mode == crv_fastest || (state->mode == crv_bulk && state->in_bulk == 0)) {
    TRY(state->session->begin_transaction(state->session, "sync=false"));
  }
  return crv_done;
}

static enum crv_answer wiredtiger_end_write(struct wiredtiger_session *state) {
  if (state->mode == crv_fastest) {
    TRY(state->session->commit_transaction(state->session, NULL));
  } else if (state->mode == crv_bulk && ++state->in_bulk == crv_bulk_puts) {
    return wiredtiger_commit_bulk(state);
  }
  return crv_done;
}

static void wiredtiger_set_key(struct wiredtiger_session *state, const void *key) {
  WT_ITEM name = {.data = key, .size = crv_key_bytes};
  state->cursor->set_key(state->cursor, &name);
}

static enum crv_answer wiredtiger_put(void *opaque, const void *key, const void *value, size_t bytes) {
  struct wiredtiger_session *state = opaque;
  enum crv_answer answer = wiredtiger_begin_write(state);
  if (answer != crv_done) {
    return answer;
  }
  wiredtiger_set_key(state, key);
  WT_ITEM data = {.data = value, .size = bytes};
  state->cursor->set_value(state->cursor, &data);
  TRY(state->cursor->insert(state->cursor));
  return wiredtiger_end_write(state);
}

static enum crv_answer wiredtiger_get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  struct wiredtiger_session *state = opaque;
  WT_CURSOR *cursor = state->cursor;
  wiredtiger_set_key(state, key);
  int code = cursor->search(cursor);
  if (code == WT_NOTFOUND) {
    return crv_absent;
  }
  TRY(code);
  WT_ITEM data;
  TRY(cursor->get_value(cursor, &data));
  enum crv_answer answer = crv_copy(data.data, data.size, value, capacity, bytes);
  TRY(cursor->reset(cursor));
  return answer;
}

static enum crv_answer wiredtiger_remove(void *opaque, const void *key) {
  struct wiredtiger_session *state = opaque;
  enum crv_answer answer = wiredtiger_begin_write(state);
  if (answer != crv_done) {
    return answer;
  }
  wiredtiger_set_key(state, key);
  TRY(state->cursor->remove(state->cursor));
  return wiredtiger_end_write(state);
}

static enum crv_answer wiredtiger_scan(void *opaque, const void *key, size_t count, void *value, size_t capacity,
                                       size_t *found) {
  struct wiredtiger_session *state = opaque;
  WT_CURSOR *cursor = state->cursor;
  wiredtiger_set_key(state, key);
  int where;
  int code = cursor->search_near(cursor, &where);
  if (code == 0 && where < 0) {
    code = cursor->next(cursor);
  }
  enum crv_answer answer = crv_done;
  size_t seen = 0;
  while (code == 0) {
    WT_ITEM name, data;
    TRY(cursor->get_key(cursor, &name));
    TRY(cursor->get_value(cursor, &data));
    answer = crv_scanned(name.data, name.size, data.data, data.size, value, capacity);
    if (answer != crv_done || ++seen == count) {
      break;
    }
    code = cursor->next(cursor);
  }
  if (code != 0 && code != WT_NOTFOUND) {
    return wiredtiger_fail("WT_CURSOR::next", code);
  }
  TRY(cursor->reset(cursor));
  *found = seen;
  return answer;
}

const struct crv_rival crv_wiredtiger = {
    .identifier = "wiredtiger",
    .name = "WiredTiger",
    .settings =
        "a cache for all data, twice over (WiredTiger manual, \"Cache and eviction tuning\")\n"
        "a session and a cursor a thread, kept open (manual, \"Performance tuning: cursors and sessions\")\n"
        "a checkpoint every 512 MiB of log; one after the load, outside the times\n"
        "durable: log=(enabled), transaction_sync=(enabled,method=fsync), each write its own transaction (manual, \"Commit-level "
        "durability\")\n"
        "fastest: the same with begin_transaction(sync=false): the log is written when its buffer is full (the same page)\n",
    .ordered = true,
    .version = wiredtiger_name_version,
    .open = wiredtiger_store_open,
    .settle = wiredtiger_settle,
    .close = wiredtiger_store_close,
    .begin = wiredtiger_begin,
    .set_mode = wiredtiger_set_mode,
    .end = wiredtiger_end,
    .put = wiredtiger_put,
    .get = wiredtiger_get,
    .remove = wiredtiger_remove,
    .scan = wiredtiger_scan,
};
