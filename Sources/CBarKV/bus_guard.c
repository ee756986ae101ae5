#define _GNU_SOURCE
#include "CBarKV.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Everything here may run in a signal handler, at any instruction of any thread: no lock, no allocation, no libc call
// that is not async-signal-safe. The registry is a fixed table of atomic words for that reason.

enum { PLACES = 1024 };

// `base` is stored last and cleared first: a place whose base is 0 says nothing.
struct place {
  _Atomic uintptr_t base;
  _Atomic size_t length;
  _Atomic bool writable;
  struct barkv_loss *_Atomic loss;
};
static struct place places[PLACES];
// A place is taken here before its words are written.
static _Atomic bool taken[PLACES];

static struct sigaction previous;
static _Atomic bool installed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// MARK: What was lost

static void add_poison(struct barkv_loss *loss, uintptr_t offset, size_t length) {
  for (uint32_t i = 0; i < BARKV_POISONED_RANGES; i++) {
    uint64_t expected = 0;
    // Length first: a place whose length is 0 is free, and its offset is stored before anybody may look for it.
    if (__atomic_load_n(&loss->ranges[i].length, __ATOMIC_ACQUIRE) != 0) {
      if (loss->ranges[i].offset == offset) return;
      continue;
    }
    if (!__atomic_compare_exchange_n(&loss->ranges[i].claimed, &expected, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      continue;
    __atomic_store_n(&loss->ranges[i].offset, offset, __ATOMIC_RELAXED);
    __atomic_store_n(&loss->ranges[i].length, length, __ATOMIC_RELEASE);
    __atomic_fetch_or(&loss->state, BARKV_LOSS_POISON, __ATOMIC_SEQ_CST);
    return;
  }
  // More than can be told one from the other.
  __atomic_fetch_or(&loss->state, BARKV_LOSS_DEVICE, __ATOMIC_SEQ_CST);
}

// Puts zeros in the process's own memory where the region was, so that the access that failed goes on harmlessly. The raw
// call: libc's may be intercepted.
static bool replace(uintptr_t start, size_t length, bool writable) {
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  long result = syscall(SYS_mmap, start, length, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  if (result == -1) return false;
  // What stands in for the region is no more a forked child's than the region was.
  syscall(SYS_madvise, start, length, MADV_DONTFORK);
  return true;
}

static bool lose(struct place *place, uintptr_t base, uintptr_t address, int code, int log_of_size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t length = atomic_load_explicit(&place->length, memory_order_acquire);
  bool writable = atomic_load_explicit(&place->writable, memory_order_acquire);
  struct barkv_loss *loss = atomic_load_explicit(&place->loss, memory_order_acquire);
  // The words belong together only if the place is still the one that was found.
  if (atomic_load_explicit(&place->base, memory_order_acquire) != base || loss == NULL) return false;
  // A mapping has whole pages, also where the file has not.
  size_t mapped = (length + page - 1) & ~(page - 1);
  if (address - base >= mapped) return false;
  if (code != BARKV_BUS_POISON) {
    // Said before it can be seen: who reads a zero finds the word set.
    __atomic_fetch_or(&loss->state, BARKV_LOSS_DEVICE, __ATOMIC_SEQ_CST);
    return replace(base, mapped, writable);
  }
  size_t size = log_of_size > 0 && log_of_size < 48 ? (size_t)1 << log_of_size : page;
  if (size < page) size = page;
  uintptr_t start = address & ~(uintptr_t)(size - 1);
  uintptr_t end = start + size;
  if (start < base) start = base;
  if (end > base + mapped) end = base + mapped;
  add_poison(loss, start - base, end - start);
  return replace(start, end - start, writable);
}

bool barkv_bus_fault(const void *at, int code, int log_of_size) {
  uintptr_t address = (uintptr_t)at;
  for (int i = 0; i < PLACES; i++) {
    uintptr_t base = atomic_load_explicit(&places[i].base, memory_order_acquire);
    if (base == 0 || address < base) continue;
    if (lose(&places[i], base, address, code, log_of_size)) return true;
  }
  return false;
}

// MARK: The signal

// What would have happened without this handler.
static void pass_on(int signal, siginfo_t *info, void *context) {
  if (previous.sa_flags & SA_SIGINFO) {
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &previous.sa_mask, &before);
    previous.sa_sigaction(signal, info, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return;
  }
  // A fault cannot be ignored, a signal that was sent can.
  bool was_sent = info->si_code <= 0;
  if (previous.sa_handler == SIG_IGN && was_sent) return;
  if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigemptyset(&standard.sa_mask);
    sigaction(SIGBUS, &standard, NULL);
    // A fault happens again where it happened, so that a core dump shows the place; a signal that was sent does not.
    if (was_sent) raise(SIGBUS);
    return;
  }
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &previous.sa_mask, &before);
  previous.sa_handler(signal);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_bus_error(int signal, siginfo_t *info, void *context) {
  int saved = errno;
  bool is_fault = info->si_code > 0;
  int log_of_size = info->si_code == BUS_MCEERR_AR ? info->si_addr_lsb : 0;
  int code = info->si_code == BUS_MCEERR_AR ? BARKV_BUS_POISON : BARKV_BUS_GONE;
  // BUS_MCEERR_AO tells of poison that nobody has read: not this handler's matter. BUS_ADRALN is a program's mistake.
  bool is_loss = info->si_code == BUS_MCEERR_AR || info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR;
  if (!is_fault || !is_loss || !barkv_bus_fault(info->si_addr, code, log_of_size)) pass_on(signal, info, context);
  errno = saved;
}

// A forked child has none of the regions: an address there is somebody else's.
static void forget_in_child(void) {
  for (int i = 0; i < PLACES; i++) {
    atomic_store_explicit(&places[i].base, 0, memory_order_relaxed);
    atomic_store_explicit(&taken[i], false, memory_order_relaxed);
  }
}

static void install(void) {
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
  sigemptyset(&action.sa_mask);
  action.sa_sigaction = on_bus_error;
  // The previous one is known before the new one can run.
  if (sigaction(SIGBUS, NULL, &previous) != 0 || sigaction(SIGBUS, &action, NULL) != 0) return;
  pthread_atfork(NULL, NULL, forget_in_child);
  atomic_store(&installed, true);
}

bool barkv_bus_guard(void *base, size_t length, bool writable, struct barkv_loss *loss) {
  pthread_once(&once, install);
  if (!atomic_load(&installed)) return false;
  for (int i = 0; i < PLACES; i++) {
    bool expected = false;
    if (!atomic_compare_exchange_strong(&taken[i], &expected, true)) continue;
    atomic_store_explicit(&places[i].length, length, memory_order_relaxed);
    atomic_store_explicit(&places[i].writable, writable, memory_order_relaxed);
    atomic_store_explicit(&places[i].loss, loss, memory_order_relaxed);
    atomic_store_explicit(&places[i].base, (uintptr_t)base, memory_order_release);
    return true;
  }
  return false;
}

void barkv_bus_guard_end(void *base) {
  for (int i = 0; i < PLACES; i++) {
    uintptr_t expected = (uintptr_t)base;
    if (!atomic_compare_exchange_strong(&places[i].base, &expected, 0)) continue;
    atomic_store_explicit(&taken[i], false, memory_order_release);
    return;
  }
}
