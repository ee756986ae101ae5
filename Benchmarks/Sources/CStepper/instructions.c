// Instructions, counted by the kernel's single steps: each costs two switches of context, so this is for thousands, not
// for millions.

#define _GNU_SOURCE

#include "CStepper.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

// The child stops itself by a signal that nobody else sends; the parent finds it in its way and steps from there.
enum { mark = SIGUSR2 };

__attribute__((noinline)) void cst_begin(void) { raise(mark); }
__attribute__((noinline)) void cst_end(void) { raise(mark); }

// Waits for the next stop of `child`: its signal, or -1 where it has ended.
static int next_stop(pid_t child) {
  int status;
  while (waitpid(child, &status, __WALL) < 0) {
    if (errno != EINTR) {
      return -1;
    }
  }
  return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

// Steps until the child marks the end: the instructions, or -1.
static int64_t steps(pid_t child) {
  int64_t count = 0;
  while (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0) {
    int signal = next_stop(child);
    if (signal == mark) {
      return count;
    }
    if (signal != SIGTRAP) {
      return -1;
    }
    count++;
  }
  return -1;
}

int cst_run(void (*body)(void *), void *context, uint64_t *counts, int capacity) {
  pid_t child = fork();
  if (child < 0) {
    return -errno;
  }
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
      _exit(2);
    }
    body(context);
    _exit(0);
  }
  int found = 0;
  int status;
  while (true) {
    if (waitpid(child, &status, __WALL) < 0) {
      if (errno == EINTR) {
        continue;
      }
      return -errno;
    }
    if (WIFEXITED(status)) {
      return WEXITSTATUS(status) == 0 ? found : -1;
    }
    if (WIFSIGNALED(status)) {
      return -1;
    }
    int signal = WSTOPSIG(status);
    if (signal == mark) {
      int64_t count = steps(child);
      if (count < 0 || found == capacity) {
        kill(child, SIGKILL);
        return -1;
      }
      counts[found++] = (uint64_t)count;
      signal = 0;
    }
    if (ptrace(PTRACE_CONT, child, NULL, (void *)(intptr_t)(signal == SIGTRAP ? 0 : signal)) != 0) {
      return -errno;
    }
  }
}
