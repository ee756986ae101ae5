#define _GNU_SOURCE
#include "CBarKV.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

// Pages that were given back, for the next: to map and unmap one costs more than all else that opening a tiny store does.
enum { SPARE_PAGES = 8 };
static void *_Atomic spare[SPARE_PAGES];

void *barkv_fork_guard_create(void) {
  for (int i = 0; i < SPARE_PAGES; i++) {
    void *page = atomic_load_explicit(&spare[i], memory_order_relaxed);
    if (page != NULL && atomic_compare_exchange_strong(&spare[i], &page, NULL)) return page;
  }
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  if (madvise(page, size, MADV_WIPEONFORK) != 0) {
    munmap(page, size);
    return NULL;
  }
  return page;
}

void barkv_fork_guard_destroy(void *page) {
  for (int i = 0; i < SPARE_PAGES; i++) {
    void *none = NULL;
    if (atomic_compare_exchange_strong(&spare[i], &none, page)) return;
  }
  munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

// Descriptors plus one; 0 is a free place. A fixed table, because the handler runs between fork and the child's first
// instruction, where nothing may be allocated or locked.
enum { PLACES = 1024 };
static _Atomic int descriptors[PLACES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void close_in_child(void) {
  for (int i = 0; i < PLACES; i++) {
    int value = atomic_exchange_explicit(&descriptors[i], 0, memory_order_relaxed);
    if (value != 0) close(value - 1);
  }
}

static void install(void) { pthread_atfork(NULL, NULL, close_in_child); }

bool barkv_close_on_fork(int fd) {
  pthread_once(&once, install);
  for (int i = 0; i < PLACES; i++) {
    int expected = 0;
    if (atomic_compare_exchange_strong(&descriptors[i], &expected, fd + 1)) return true;
  }
  return false;
}

void barkv_close_on_fork_cancel(int fd) {
  for (int i = 0; i < PLACES; i++) {
    int expected = fd + 1;
    if (atomic_compare_exchange_strong(&descriptors[i], &expected, 0)) return;
  }
}
