// What Swift cannot say itself. Each function here exists because Swift has no way to write it, or none that costs
// nothing; everything else is Swift.
#ifndef CBARKV_H
#define CBARKV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

// MARK: Hash

/// XXH3, 64 bits, of `length` bytes.
uint64_t barkv_hash(const void *bytes, size_t length, uint64_t seed);

/// Whether two byte strings are the same: a loop over words that the compiler sees through, where memcmp is a call.
///
/// Words, not vectors: a key was often made a moment ago by two stores of a word, and a wider load than they were has to wait
/// until both have left the processor's store queue, which they do only after every earlier cache miss.
static inline bool barkv_equal(const void *first, const void *second, size_t length) {
  const unsigned char *a = (const unsigned char *)first, *b = (const unsigned char *)second;
  if (length < 8) {
    for (size_t i = 0; i < length; i++)
      if (a[i] != b[i]) return false;
    return true;
  }
  uint64_t x, y;
  if (length == 16) {
    uint64_t v, w;
    __builtin_memcpy(&x, a, 8);
    __builtin_memcpy(&y, b, 8);
    __builtin_memcpy(&v, a + 8, 8);
    __builtin_memcpy(&w, b + 8, 8);
    return ((x ^ y) | (v ^ w)) == 0;
  }
  for (size_t i = 0; i + 8 <= length; i += 8) {
    __builtin_memcpy(&x, a + i, 8);
    __builtin_memcpy(&y, b + i, 8);
    if (x != y) return false;
  }
  // The last eight bytes, which overlap what is compared already.
  __builtin_memcpy(&x, a + length - 8, 8);
  __builtin_memcpy(&y, b + length - 8, 8);
  return x == y;
}

/// Copies a key, for the same reason by words where it is two of them.
static inline void barkv_copy_key(void *target, const void *source, size_t length) {
  if (length == 16) {
    uint64_t x, y;
    __builtin_memcpy(&x, source, 8);
    __builtin_memcpy(&y, (const char *)source + 8, 8);
    // The compiler would make one wide load of the two.
    __asm__("" : "+r"(x), "+r"(y));
    __builtin_memcpy(target, &x, 8);
    __builtin_memcpy((char *)target + 8, &y, 8);
  } else {
    __builtin_memcpy(target, source, length);
  }
}

// MARK: Ordering and cache hints: Swift has no fence that orders non-temporal stores, and no prefetch.

/// Orders all earlier stores, non-temporal ones and cache write-backs included, before all later ones.
static inline void barkv_store_fence(void) {
#if defined(__x86_64__)
  _mm_sfence();
#elif defined(__aarch64__)
  __asm__ volatile("dsb ishst" ::: "memory");
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/// Orders all earlier loads and stores before all later ones.
static inline void barkv_full_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/// Loads eight bytes from a device, after all earlier stores, and waits for the answer before anything later is done: writes
/// that were posted to the device arrive before the answer leaves it.
static inline uint64_t barkv_read_back(const void *address) {
#if defined(__x86_64__)
  // A store fence alone would let the load go ahead of the stores.
  _mm_mfence();
  uint64_t value = *(const volatile uint64_t *)address;
  _mm_lfence();
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  uint64_t value = *(const volatile uint64_t *)address;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  return value;
}

/// Keeps the compiler from moving memory accesses across it; costs nothing at run time.
static inline void barkv_compiler_fence(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

static inline void barkv_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

static inline void barkv_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// MARK: Index buckets: Swift has no vector comparison that ends in a bit mask.

/// Which of a bucket's eight slots have `fragment` in their upper 24 bits: bit i for slot i.
///
/// A hint, as slots may change meanwhile: the caller loads a slot atomically before it believes it. Each slot is read whole,
/// which is all that is asked of a plain aligned load here; the sanitizer cannot know that.
__attribute__((no_sanitize("thread"))) static inline uint32_t barkv_bucket_matches(const void *bucket,
                                                                                   uint64_t fragment) {
#if defined(__x86_64__)
  const __m128i *pairs = (const __m128i *)bucket;
  const __m128i wanted = _mm_set1_epi64x((long long)fragment);
  uint32_t mask = 0;
  for (int i = 0; i < 4; i++) {
    // Only the lower halves can differ; the mask takes the sign of the upper ones.
    __m128i equal = _mm_cmpeq_epi32(_mm_srli_epi64(_mm_load_si128(pairs + i), 40), wanted);
    mask |= (uint32_t)_mm_movemask_pd(_mm_castsi128_pd(_mm_slli_epi64(equal, 32))) << (2 * i);
  }
  return mask;
#else
  const volatile uint64_t *slots = (const volatile uint64_t *)bucket;
  uint32_t mask = 0;
  for (int i = 0; i < 8; i++) mask |= (uint32_t)(slots[i] >> 40 == fragment) << i;
  return mask;
#endif
}

// MARK: Futex and membarrier: system calls that libc does not wrap.

/// Sleeps while `*word == expected`; may return early.
void barkv_futex_wait(const uint32_t *word, uint32_t expected);
/// Wakes up to `count` sleepers on `word`.
void barkv_futex_wake(const uint32_t *word, int count);

/// Registers the process for expedited membarriers; false where the kernel has none.
bool barkv_membarrier_register(void);
/// Makes every running thread of the process execute a full fence.
void barkv_membarrier(void);

// MARK: Thread slots: Swift has no thread-local storage.

enum { BARKV_THREAD_SLOTS = 512 };

// Initial-exec: the address is a constant from the thread pointer; the default model would call the dynamic linker.
extern __attribute__((tls_model("initial-exec"))) _Thread_local uint32_t barkv_thread_slot_plus_one;
uint32_t barkv_thread_slot_assign(void);

/// A small number that is this thread's alone until it ends, or BARKV_THREAD_SLOTS when more threads live than slots.
static inline uint32_t barkv_thread_slot(void) {
  uint32_t slot = barkv_thread_slot_plus_one;
  return __builtin_expect(slot != 0, 1) ? slot - 1 : barkv_thread_slot_assign();
}

// MARK: Fork guard: madvise(MADV_WIPEONFORK) and pthread_atfork.

/// A page whose bytes a forked child sees as zero; NULL where there is no memory.
void *barkv_fork_guard_create(void);
void barkv_fork_guard_destroy(void *page);
/// Closes `fd` in every forked child, so that a child does not keep the parent's lock alive. False when too many are
/// registered; the descriptor is then left to close-on-exec.
bool barkv_close_on_fork(int fd);
void barkv_close_on_fork_cancel(int fd);

// MARK: File locks and kinds: variadic calls and macros that Swift does not import.

/// Takes an open-file-description lock on the whole file without waiting: 0, or errno.
int barkv_lock(int fd, bool exclusive);
/// Gives the lock up, for every copy of the descriptor.
void barkv_unlock(int fd);
/// Whether the descriptor is on a file system that lives in memory (tmpfs, ramfs).
bool barkv_is_memory_file_system(int fd);
/// Whether the file can be mapped with MAP_SYNC, which only DAX can.
bool barkv_is_dax(int fd, size_t length);
/// Allocates the file's blocks: 0, or errno.
int barkv_allocate(int fd, int64_t length);
/// Maps the file for reading, or for reading and writing: the address, or NULL with errno set.
void *barkv_map(int fd, size_t length, bool writable);
/// Keeps the mapping out of forked children.
void barkv_dont_fork(void *address, size_t length);
/// Makes the pages of a shared mapping present and writable without changing them; a hint.
void barkv_populate(void *address, size_t length);
/// errno, which Swift cannot read reliably after a C call that it did not make itself.
int barkv_errno(void);

#endif
