#include "CBarKV.h"

#include <pthread.h>
#include <stdatomic.h>

_Thread_local uint32_t barkv_thread_slot_plus_one = 0;

// One bit a slot; a set bit is a live thread's.
static _Atomic uint64_t used[BARKV_THREAD_SLOTS / 64];
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key = false;

// Runs at a thread's end: the slot goes to a later thread, which the release makes see all that this one wrote there.
static void release_slot(void *value) {
  uintptr_t slot = (uintptr_t)value - 1;
  barkv_thread_slot_plus_one = 0;
  atomic_fetch_and_explicit(&used[slot / 64], ~(UINT64_C(1) << (slot % 64)), memory_order_acq_rel);
}

// This thread goes without a slot, for as long as it lives: what it began without one it must end without one.
static uint32_t go_without(void) {
  barkv_thread_slot_plus_one = BARKV_THREAD_SLOTS + 1;
  return BARKV_THREAD_SLOTS;
}

static void make_key(void) { has_key = pthread_key_create(&key, release_slot) == 0; }

uint32_t barkv_thread_slot_assign(void) {
  pthread_once(&once, make_key);
  if (!has_key) return go_without();
  for (uint32_t word = 0; word < BARKV_THREAD_SLOTS / 64; word++) {
    uint64_t bits = atomic_load_explicit(&used[word], memory_order_relaxed);
    while (~bits != 0) {
      uint32_t bit = (uint32_t)__builtin_ctzll(~bits);
      if (!atomic_compare_exchange_weak_explicit(&used[word], &bits, bits | UINT64_C(1) << bit, memory_order_acq_rel,
                                                 memory_order_relaxed))
        continue;
      uint32_t slot = word * 64 + bit;
      if (pthread_setspecific(key, (void *)(uintptr_t)(slot + 1)) != 0) {
        // Without the destructor the slot could never be given back.
        atomic_fetch_and_explicit(&used[word], ~(UINT64_C(1) << bit), memory_order_acq_rel);
        return go_without();
      }
      barkv_thread_slot_plus_one = slot + 1;
      return slot;
    }
  }
  return go_without();
}
