#define _GNU_SOURCE
#include "CBarKV.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <sys/single_threaded.h>
#endif

void barkv_futex_wait(const uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void barkv_futex_wake(const uint32_t *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

// The process that is registered, and the one in which a thread does it or has done it. A forked child is neither.
static _Atomic pid_t registered, registering;

static void *membarrier_register(void *unused) {
  (void)unused;
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
    atomic_store_explicit(&registered, getpid(), memory_order_release);
  return NULL;
}

bool barkv_membarrier_begin(void) {
#ifdef __GLIBC__
  bool is_single_threaded = __libc_single_threaded;
#else
  bool is_single_threaded = false;
#endif
  if (!is_single_threaded) {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return true;
    pid_t before = atomic_load(&registering), now = getpid();
    if (before == now || !atomic_compare_exchange_strong(&registering, &before, now)) return false;
    pthread_t thread;
    if (pthread_create(&thread, NULL, membarrier_register, NULL) == 0) {
      pthread_detach(thread);
      return false;
    }
  }
  membarrier_register(NULL);
  return barkv_membarrier_works();
}

bool barkv_membarrier_works(void) {
  pid_t process = atomic_load_explicit(&registered, memory_order_acquire);
  return process != 0 && process == getpid();
}

void barkv_membarrier(void) { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }
