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

// Without it each hash would be a call through the dynamic linker.
#define XXH_INLINE_ALL
#include <xxhash.h>

// MARK: Hash

/// XXH3, 64 bits, of `length` bytes.
uint64_t barkv_hash_any(const void *bytes, size_t length, uint64_t seed);

/// The same; the most common length of keys without a call, which would also cost the caller its registers.
static inline uint64_t barkv_hash(const void *bytes, size_t length, uint64_t seed) {
  return length == 16 ? XXH3_64bits_withSeed(bytes, 16, seed) : barkv_hash_any(bytes, length, seed);
}

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

/// Copies a value into a record: without a call where it has some hundred bytes.
static inline void barkv_copy_value(void *target, const void *source, size_t length) {
#if defined(__x86_64__)
  if (length - 16 <= 112) {
    char *to = (char *)target, *last = to + length;
    const char *from = (const char *)source, *end = from + length;
    // From the start, and up to the end, which overlap: what is copied twice costs less than a loop.
    if (length > 64) {
      __builtin_memcpy(to, from, 64);
      __builtin_memcpy(last - 64, end - 64, 64);
    } else if (length > 32) {
      __builtin_memcpy(to, from, 32);
      __builtin_memcpy(last - 32, end - 32, 32);
    } else {
      __builtin_memcpy(to, from, 16);
      __builtin_memcpy(last - 16, end - 16, 16);
    }
    return;
  }
#endif
  __builtin_memcpy(target, source, length);
}

// MARK: Checksum: Swift has no CRC instruction.

/// Whether ``barkv_crc32c_short`` may be called on this processor.
static inline bool barkv_has_crc32c(void) {
  // Set before main, never changed.
  extern bool barkv_crc32c_found;
  return barkv_crc32c_found;
}

/// The checksum so far, and eight more bytes. To be called as ``barkv_crc32c_short`` is.
///
/// Assembly, not the compiler's own functions: these may only be used in functions that are compiled for such a processor,
/// which are not inlined into others, and a call would cost the caller its registers.
static inline uint32_t barkv_crc32c_word(uint64_t word, uint32_t crc) {
#if defined(__x86_64__)
  uint64_t wide = crc;
  __asm__("crc32q %1, %0" : "+r"(wide) : "r"(word));
  return (uint32_t)wide;
#else
  return crc;
#endif
}

/// CRC32C (Castagnoli) without inversions, as ISA-L's `crc32_iscsi`, for a few hundred bytes at most: ISA-L, made for many,
/// needs longer to begin than this takes for a record.
static inline uint32_t barkv_crc32c_short(const void *bytes, size_t length, uint32_t seed) {
#if defined(__x86_64__)
  const unsigned char *at = (const unsigned char *)bytes;
  typedef struct { unsigned char bytes[32]; } block;
  uint64_t crc = seed;
  // From memory, four words a turn: as a loop of single words it is a sixth of a put's instructions.
  for (; length >= 32; length -= 32, at += 32)
    __asm__("crc32q (%1), %0\n\tcrc32q 8(%1), %0\n\tcrc32q 16(%1), %0\n\tcrc32q 24(%1), %0"
            : "+r"(crc)
            : "r"(at), "m"(*(const block *)at));
  if (length & 16) {
    __asm__("crc32q (%1), %0\n\tcrc32q 8(%1), %0" : "+r"(crc) : "r"(at), "m"(*(const unsigned char(*)[16])at));
    at += 16;
  }
  if (length & 8) {
    uint64_t word;
    __builtin_memcpy(&word, at, 8);
    crc = barkv_crc32c_word(word, (uint32_t)crc);
    at += 8;
  }
  uint32_t narrow = (uint32_t)crc;
  if (length & 4) {
    uint32_t word;
    __builtin_memcpy(&word, at, 4);
    __asm__("crc32l %1, %0" : "+r"(narrow) : "r"(word));
    at += 4;
  }
  if (length & 2) {
    uint16_t word;
    __builtin_memcpy(&word, at, 2);
    __asm__("crc32w %1, %0" : "+r"(narrow) : "r"(word));
    at += 2;
  }
  if (length & 1) __asm__("crc32b %1, %0" : "+r"(narrow) : "r"(*at));
  return narrow;
#else
  return seed;
#endif
}

// MARK: Streaming: Swift has no store that goes past the cache.

/// Whether ``barkv_stream_lines`` may be called on this processor.
static inline bool barkv_can_stream(void) {
#if defined(__x86_64__)
  return true;
#else
  return false;
#endif
}

/// Copies whole lines to a target that starts on a line, past the cache: what libpmem does for them, without the call and
/// its choice among all lengths and alignments, which for a record of two lines cost more than the copy.
static inline void barkv_stream_lines(void *target, const void *source, size_t length) {
#if defined(__x86_64__)
  // Set before main, never changed.
  extern bool barkv_wide_stores_found;
  char *to = (char *)target;
  const char *from = (const char *)source;
  typedef struct { char bytes[64]; } line;
  if (__builtin_expect(barkv_wide_stores_found, 1)) {
    // A register that older code does not know of: nothing has to be cleared for it afterwards.
    for (size_t at = 0; at < length; at += 64)
      __asm__ volatile("vmovdqu64 %1, %%zmm16\n\tvmovntdq %%zmm16, %0"
                       : "=m"(*(line *)(to + at))
                       : "m"(*(const line *)(from + at))
#if defined(__AVX512F__)
                       : "xmm16"
#endif
      );
  } else {
    for (size_t at = 0; at < length; at += 16)
      _mm_stream_si128((__m128i *)(to + at), _mm_loadu_si128((const __m128i *)(from + at)));
  }
#endif
}

/// Whether ``barkv_stream_record`` may be called on this processor.
static inline bool barkv_can_stream_record(void) {
#if defined(__x86_64__)
  // Set before main, never changed.
  extern bool barkv_masked_loads_found;
  return barkv_masked_loads_found;
#else
  return false;
#endif
}

/// The bits from `from` to `to` (exclusive) of a line's 64; either may be outside it.
static inline uint64_t barkv_line_bits(int64_t from, int64_t to) {
  uint64_t above = to >= 64 ? ~(uint64_t)0 : to <= 0 ? 0 : ((uint64_t)1 << to) - 1;
  uint64_t below = from >= 64 ? ~(uint64_t)0 : from <= 0 ? 0 : ((uint64_t)1 << from) - 1;
  return above & ~below;
}

/// Writes a record to whole lines at `target`, past the cache: eight bytes of `head`, four of `lengths`, the key, the value,
/// zeros up to the end of the last line.
///
/// Each line is put together in a register, of what a masked load takes of the key and of the value: it does not touch what
/// its mask leaves out. Put together in memory, the line could be loaded only after the stores that made it had left the
/// processor, which is after the fence of the write before.
static inline void barkv_stream_record(void *target, uint64_t head, uint32_t lengths, const void *key, size_t key_length,
                                       const void *value, size_t value_length) {
#if defined(__x86_64__)
  // A masked load from where nothing is mapped takes long, even if its mask leaves all of it out.
  if (key_length == 0) key = (const char *)target + 12;
  if (value_length == 0) value = (const char *)target + 12 + key_length;
  // Where the key and the value start and end, from the start of the line.
  int64_t key_start = 12, value_start = 12 + (int64_t)key_length, end = value_start + (int64_t)value_length;
  uintptr_t key_source = (uintptr_t)key - 12, value_source = (uintptr_t)value - (uintptr_t)value_start;
  char *to = (char *)target;
  // The first line; the registers are such as older code does not know of: nothing has to be cleared for it afterwards.
  __asm__ volatile("kmovq %[key_bits], %%k1\n\t"
                   "kmovq %[value_bits], %%k2\n\t"
                   "vmovq %[head], %%xmm18\n\t"
                   "vmovd %[lengths], %%xmm19\n\t"
                   "vpslldq $8, %%zmm19, %%zmm19\n\t"
                   "vmovdqu8 (%[key]), %%zmm16%{%%k1%}%{z%}\n\t"
                   "vmovdqu8 (%[value]), %%zmm17%{%%k2%}%{z%}\n\t"
                   "vporq %%zmm18, %%zmm19, %%zmm18\n\t"
                   "vpternlogq $0xfe, %%zmm18, %%zmm17, %%zmm16\n\t"
                   "vmovntdq %%zmm16, (%[to])"
                   :
                   : [key_bits] "r"(barkv_line_bits(key_start, value_start)),
                     [value_bits] "r"(barkv_line_bits(value_start, end)), [head] "r"(head), [lengths] "r"(lengths),
                     [key] "r"(key_source), [value] "r"(value_source), [to] "r"(to)
                   : "memory"
#if defined(__AVX512F__)
                     , "xmm16", "xmm17", "xmm18", "xmm19", "k1", "k2"
#endif
  );
  while (end > 64) {
    key_start -= 64, value_start -= 64, end -= 64;
    key_source += 64, value_source += 64, to += 64;
    if (value_start <= 0) {
      // Nothing but the value, as in most lines of most records.
      __asm__ volatile("kmovq %[value_bits], %%k2\n\t"
                       "vmovdqu8 (%[value]), %%zmm17%{%%k2%}%{z%}\n\t"
                       "vmovntdq %%zmm17, (%[to])"
                       :
                       : [value_bits] "r"(barkv_line_bits(0, end)), [value] "r"(value_source), [to] "r"(to)
                       : "memory"
#if defined(__AVX512F__)
                         , "xmm17", "k2"
#endif
      );
    } else {
      __asm__ volatile("kmovq %[key_bits], %%k1\n\t"
                       "kmovq %[value_bits], %%k2\n\t"
                       "vmovdqu8 (%[key]), %%zmm16%{%%k1%}%{z%}\n\t"
                       "vmovdqu8 (%[value]), %%zmm17%{%%k2%}%{z%}\n\t"
                       "vporq %%zmm17, %%zmm16, %%zmm16\n\t"
                       "vmovntdq %%zmm16, (%[to])"
                       :
                       : [key_bits] "r"(barkv_line_bits(key_start, value_start)),
                         [value_bits] "r"(barkv_line_bits(value_start, end)), [key] "r"(key_source),
                         [value] "r"(value_source), [to] "r"(to)
                       : "memory"
#if defined(__AVX512F__)
                         , "xmm16", "xmm17", "k1", "k2"
#endif
      );
    }
  }
#endif
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

/// The same for a device's 32-bit register, which is to be read by a load of that width.
static inline uint32_t barkv_read_back_register(const void *address) {
#if defined(__x86_64__)
  _mm_mfence();
  uint32_t value = *(const volatile uint32_t *)address;
  _mm_lfence();
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  uint32_t value = *(const volatile uint32_t *)address;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  return value;
}

/// Takes the line at `address` out of this processor's caches, so that the next load of it goes to the device.
static inline void barkv_evict_line(const void *address) {
#if defined(__x86_64__)
  _mm_clflush(address);
#endif
}

/// Copies whole words in ascending order by aligned stores of eight bytes: what a device has to take that is mapped
/// uncached, where wider stores may be split as the processor likes.
static inline void barkv_store_words(void *target, const void *source, size_t length) {
  volatile uint64_t *to = (volatile uint64_t *)target;
  for (size_t at = 0; at < length; at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, (const char *)source + at, 8);
    to[at / 8] = word;
  }
}

/// Copies whole lines from a mapping that is slow to read, by streaming loads where the processor has them: on a
/// write-combining mapping these fetch a line at a time, where any other load fetches its own bytes. Both addresses are
/// aligned to 16 bytes.
///
/// A line that an earlier streaming load left in the processor's buffers may be older than the device's: the fences before
/// and after keep each copy to itself.
static inline void barkv_stream_load(void *target, const void *source, size_t length) {
#if defined(__x86_64__)
  // Set before main, never changed.
  extern bool barkv_streaming_loads_found;
  _mm_mfence();
  if (__builtin_expect(barkv_streaming_loads_found, 1)) {
    typedef struct { char bytes[16]; } piece;
    for (size_t at = 0; at < length; at += 16) {
      __m128i value;
      __asm__ volatile("movntdqa %1, %0" : "=x"(value) : "m"(*(const piece *)((const char *)source + at)));
      _mm_store_si128((__m128i *)((char *)target + at), value);
    }
  } else {
    for (size_t at = 0; at < length; at += 8)
      *(uint64_t *)((char *)target + at) = *(const volatile uint64_t *)((const char *)source + at);
  }
  _mm_mfence();
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  for (size_t at = 0; at < length; at += 8)
    *(uint64_t *)((char *)target + at) = *(const volatile uint64_t *)((const char *)source + at);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/// Stores the byte at `address` again as it is: the page counts as written from then on.
static inline void barkv_store_again(void *address) {
  volatile unsigned char *byte = (volatile unsigned char *)address;
  *byte = *byte;
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
  const __m128 *pairs = (const __m128 *)bucket;
  const __m128i wanted = _mm_set1_epi32((int)fragment);
  // The upper halves of four slots at a time; a fragment is their upper 24 bits.
  __m128i first = _mm_castps_si128(_mm_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(3, 1, 3, 1)));
  __m128i second = _mm_castps_si128(_mm_shuffle_ps(pairs[2], pairs[3], _MM_SHUFFLE(3, 1, 3, 1)));
  first = _mm_cmpeq_epi32(_mm_srli_epi32(first, 8), wanted);
  second = _mm_cmpeq_epi32(_mm_srli_epi32(second, 8), wanted);
  __m128i all = _mm_packs_epi32(first, second);
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(all, _mm_setzero_si128()));
#else
  const volatile uint64_t *slots = (const volatile uint64_t *)bucket;
  uint32_t mask = 0;
  for (int i = 0; i < 8; i++) mask |= (uint32_t)(slots[i] >> 40 == fragment) << i;
  return mask;
#endif
}

/// Which of a bucket's eight slots name no record, which is what a value of 0 or 1 says: bit i for slot i. Whoever may change
/// the bucket asks.
///
/// No loop with a branch a slot: where it would end is anybody's guess, and a wrong guess is found out only when the bucket
/// has arrived from memory.
__attribute__((no_sanitize("thread"))) static inline uint32_t barkv_bucket_free(const void *bucket) {
#if defined(__x86_64__)
  const __m128 *pairs = (const __m128 *)bucket;
  const __m128i zero = _mm_setzero_si128();
  __m128i upper[2], lower[2];
  for (int i = 0; i < 2; i++) {
    upper[i] = _mm_castps_si128(_mm_shuffle_ps(pairs[2 * i], pairs[2 * i + 1], _MM_SHUFFLE(3, 1, 3, 1)));
    lower[i] = _mm_castps_si128(_mm_shuffle_ps(pairs[2 * i], pairs[2 * i + 1], _MM_SHUFFLE(2, 0, 2, 0)));
    upper[i] = _mm_cmpeq_epi32(_mm_or_si128(upper[i], _mm_srli_epi32(lower[i], 1)), zero);
  }
  __m128i all = _mm_packs_epi32(upper[0], upper[1]);
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(all, zero));
#else
  const volatile uint64_t *slots = (const volatile uint64_t *)bucket;
  uint32_t mask = 0;
  for (int i = 0; i < 8; i++) mask |= (uint32_t)(slots[i] <= 1) << i;
  return mask;
#endif
}

// MARK: Huge pages: madvise, and alignment that mmap does not give.

/// `length` zeroed bytes, a power of two, aligned to `length`, in huge pages where the kernel has them; NULL where there is
/// no memory.
void *barkv_huge_allocate(size_t length);
void barkv_huge_free(void *memory, size_t length);

// MARK: Futex and membarrier: system calls that libc does not wrap.

/// Sleeps while `*word == expected`; may return early.
void barkv_futex_wait(const uint32_t *word, uint32_t expected);
/// Wakes up to `count` sleepers on `word`.
void barkv_futex_wake(const uint32_t *word, int count);

/// Sees to it that `barkv_membarrier` works: at once where that takes no time, else on a thread of its own. In a process with
/// several threads the kernel waits for all processors, which was measured to take up to 15 ms. Whether it works by now.
bool barkv_membarrier_begin(void);
/// Whether `barkv_membarrier` works in this process by now; it never does where the kernel has none. Who sees that it does, sees
/// all that went before.
bool barkv_membarrier_works(void);
/// Makes every running thread of the process execute a full fence, if it works.
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

/// The same without taking one: UINT32_MAX where the thread has none yet.
static inline uint32_t barkv_thread_slot_so_far(void) { return barkv_thread_slot_plus_one - 1; }

// MARK: Fork guard: madvise(MADV_WIPEONFORK) and pthread_atfork.

/// A page whose bytes a forked child sees as zero; NULL where there is no memory.
void *barkv_fork_guard_create(void);
void barkv_fork_guard_destroy(void *page);
/// Closes `fd` in every forked child, so that a child does not keep the parent's lock alive. False when too many are
/// registered; the descriptor is then left to close-on-exec.
bool barkv_close_on_fork(int fd);
void barkv_close_on_fork_cancel(int fd);

// MARK: Lost memory: Swift cannot handle a signal.

enum {
  /// The region is gone: what stands there now are zeros of this process.
  BARKV_LOSS_DEVICE = 1,
  /// Some of the region is poisoned: see `ranges`.
  BARKV_LOSS_POISON = 2,
  /// The medium can vanish without a signal: who asks whether something was lost has to look.
  BARKV_LOSS_WATCH = 4,
};

enum { BARKV_POISONED_RANGES = 16 };

/// What of a region was lost while it was mapped. Zero at first; the signal handler adds to it, nothing takes away.
struct barkv_loss {
  uint32_t state;
  /// The parts that are poisoned, zeros of this process now. One with a length of 0 is none yet.
  struct {
    uint64_t offset, length, claimed;
  } ranges[BARKV_POISONED_RANGES];
};

/// What was lost until now: 0, or BARKV_LOSS bits. Asked after reading, it answers for what was read: a reader that got
/// zeros in place of the region's bytes does not get 0 here.
static inline uint32_t barkv_loss_state(const struct barkv_loss *loss) {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&loss->state, __ATOMIC_RELAXED);
}
static inline void barkv_loss_add(struct barkv_loss *loss, uint32_t bits) {
  __atomic_fetch_or(&loss->state, bits, __ATOMIC_SEQ_CST);
}
/// Where a poisoned part starts; `length` says how long it is, or 0.
static inline uint64_t barkv_loss_range(const struct barkv_loss *loss, uint32_t index, uint64_t *length) {
  *length = __atomic_load_n(&loss->ranges[index].length, __ATOMIC_ACQUIRE);
  return __atomic_load_n(&loss->ranges[index].offset, __ATOMIC_RELAXED);
}

/// From here on a SIGBUS inside the mapping at `base` ends nothing: it is noted in `loss`, and zeros take the place of what
/// is gone. Other SIGBUS go where they went before. False where that cannot be had: too many mappings, or no handler.
///
/// The handler is installed at the first call, once for the process; a program that installs one of its own later has to
/// call this one for addresses that it does not know.
bool barkv_bus_guard(void *base, size_t length, bool writable, struct barkv_loss *loss);
/// Ends it. To be called before the mapping goes, by the process that began it.
void barkv_bus_guard_end(void *base);

enum {
  /// BUS_ADRERR: the file was cut off, or the device is gone.
  BARKV_BUS_GONE = 1,
  /// BUS_MCEERR_AR: the memory there is poisoned.
  BARKV_BUS_POISON = 2,
};
/// What the handler does: whether `address` is in a guarded mapping, whose loss is noted then. `log_of_size` is the size of
/// what is poisoned, as a power of two.
bool barkv_bus_fault(const void *address, int code, int log_of_size);

/// A load from the region that is made, and made now.
static inline uint64_t barkv_load_from_device(const void *address) { return *(const volatile uint64_t *)address; }

// MARK: A mirror in memory whose pages are filled when they are first touched: userfaultfd, by system calls and macros that
// Swift does not import.

struct barkv_mirror {
  void *memory;
  int faults, calls;
};
/// Makes `length` bytes, whole pages, none of which is there yet: 0, or errno. It is not given to forked children.
int barkv_mirror_open(size_t length, struct barkv_mirror *mirror);
void barkv_mirror_close(struct barkv_mirror *mirror, size_t length);
/// Waits for a touch of a page that is not there; false where there is none, and `barkv_mirror_call` was called.
bool barkv_mirror_next(const struct barkv_mirror *mirror, uintptr_t *address);
void barkv_mirror_call(const struct barkv_mirror *mirror);
/// Puts whole pages into place, and lets those go on that wait for them: 0, or errno (EEXIST where one is there already).
int barkv_mirror_install(const struct barkv_mirror *mirror, size_t offset, const void *pages, size_t length);
/// Lets those try again that wait for these pages.
void barkv_mirror_wake(const struct barkv_mirror *mirror, size_t offset, size_t length);
/// Takes pages away: the next touch waits until they are filled again. 0, or errno.
int barkv_mirror_drop(const struct barkv_mirror *mirror, size_t offset, size_t length);

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
/// Reserves addresses for a mapping of several parts: the first, or NULL with errno set. munmap gives them back.
void *barkv_reserve(size_t length);
/// Maps the same part of the file over reserved addresses: 0, or errno.
int barkv_map_over(void *address, int fd, size_t offset, size_t length, bool writable);
/// Whether the descriptor is a character device, and which one.
bool barkv_is_character_device(int fd, uint32_t *major, uint32_t *minor);
/// Keeps the mapping out of forked children.
void barkv_dont_fork(void *address, size_t length);
/// Makes the pages of a mapping present, from the one that `start` is in; a hint.
void barkv_populate_for_reading(const void *start, size_t count);
/// Makes the pages of a shared mapping present and writable without changing them; a hint.
void barkv_populate(void *address, size_t length);
/// errno, which Swift cannot read reliably after a C call that it did not make itself.
int barkv_errno(void);

#endif
