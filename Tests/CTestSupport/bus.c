#define _GNU_SOURCE
#include "CTestSupport.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int count;
static void *_Atomic cut_off;

static void go_on(void) {
  atomic_fetch_add(&count, 1);
  // The access goes on.
  void *place = atomic_exchange(&cut_off, NULL);
  if (place != NULL) mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void plain(int signal) {
  (void)signal;
  go_on();
}

static void with_information(int signal, siginfo_t *info, void *context) {
  (void)signal;
  if (context == NULL || (info->si_code > 0 && info->si_addr != atomic_load(&cut_off))) abort();
  go_on();
}

void barkv_test_count_bus(bool takes_information) {
  struct sigaction action = {0};
  sigemptyset(&action.sa_mask);
  if (takes_information) {
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = with_information;
  } else {
    action.sa_handler = plain;
  }
  sigaction(SIGBUS, &action, NULL);
}

int barkv_test_bus_count(void) { return atomic_load(&count); }

void *barkv_test_cut_off_mapping(void *place) {
  char name[] = "/dev/shm/barkv-bus-XXXXXX";
  int fd = mkstemp(name);
  if (fd < 0) return NULL;
  unlink(name);
  void *address = MAP_FAILED;
  if (ftruncate(fd, 4096) == 0)
    address = mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (place ? MAP_FIXED : 0), fd, 0);
  if (address == MAP_FAILED || ftruncate(fd, 0) != 0) address = NULL;
  close(fd);
  atomic_store(&cut_off, address);
  return address;
}

void barkv_test_touch(void *address) { *(volatile char *)address; }
