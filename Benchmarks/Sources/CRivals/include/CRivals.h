// Other stores behind one small interface in C, so that none of them is slowed by the language that drives it.
//
// Each store has a file of its own. Every call returns a `crv_answer`; what failed is told by `crv_message`.
#ifndef C_RIVALS_H
#define C_RIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  // Every key has as many bytes: CRawLoops makes them.
  crv_key_bytes = 16,
  // The puts that share a transaction where records are only to be there, and are not measured; of stores that hold a
  // transaction's pages in memory.
  crv_bulk_puts = 10000,
};

// What a call came to.
enum crv_answer {
  crv_done = 0,
  // The key is not there.
  crv_absent = 1,
  // See `crv_message`.
  crv_failed = 2,
};

// What a put or a delete has done when it returns.
enum crv_mode {
  // It is durable, as the store's documentation defines it.
  crv_durable = 0,
  // Whatever is fastest.
  crv_fastest = 1,
  // Many share a transaction; reads are not allowed until another mode is set.
  crv_bulk = 2,
};

// How a store is opened.
struct crv_options {
  // A directory that is the store's alone.
  const char *directory;
  // The number of records that it is to be tuned for, and the bytes of each value.
  uint64_t records;
  uint64_t value_bytes;
  // The most sessions that exist at the same time.
  unsigned threads;
  // Whether it is new; else it must be there.
  bool create;
};

// A store's calls. A session is used by one thread at a time.
struct crv_rival {
  // The name in commands, and the one in tables.
  const char *identifier;
  const char *name;
  // The settings and why, one a line, each with the place in the store's documentation that advises it.
  const char *settings;
  // Whether it keeps keys in order: only then there is a `scan`.
  bool ordered;
  // The version of the library that is loaded.
  void (*version)(char *text, size_t capacity);

  enum crv_answer (*open)(const struct crv_options *options, void **store);
  // Does what the store would have done by itself after a while: merges levels, writes back.
  enum crv_answer (*settle)(void *store);
  enum crv_answer (*close)(void *store);

  // A session starts in mode `crv_durable`.
  enum crv_answer (*begin)(void *store, void **session);
  // Ends what the mode before has begun; all puts before it can be read.
  enum crv_answer (*set_mode)(void *session, enum crv_mode mode);
  enum crv_answer (*end)(void *session);

  enum crv_answer (*put)(void *session, const void *key, const void *value, size_t bytes);
  // Copies the value to `value`, which has room for `capacity` bytes; a longer one fails.
  enum crv_answer (*get)(void *session, const void *key, void *value, size_t capacity, size_t *bytes);
  // `crv_done` also where the store does not say whether the key was there.
  enum crv_answer (*remove)(void *session, const void *key);
  // Copies up to `count` records from `key` on in order to `value`, one over the other; how many there were. Fails where a
  // value does not begin with the second half of its key, as all of the benchmarks' do.
  enum crv_answer (*scan)(void *session, const void *key, size_t count, void *value, size_t capacity, size_t *found);
};

// All that are built in, in the order of the tables; their number.
const struct crv_rival *const *crv_rivals(size_t *count);

// Gives memory that was freed back to the kernel, so that what is resident is in use.
void crv_release_memory(void);

// What the last call of this thread that failed had to say.
const char *crv_message(void);

#ifdef __cplusplus
}
#endif

#endif
