#include "CTestSupport.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

// What the handler says; made beforehand, because a handler may format and allocate nothing.
static _Thread_local char message[160];

static char *put_text(char *end, const char *text) {
  size_t length = strlen(text);
  memcpy(end, text, length);
  return end + length;
}

static char *put_number(char *end, uint64_t number) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  while (count > 0) *end++ = digits[--count];
  return end;
}

void barkv_test_set_run(uint64_t seed, uint64_t run, const char *model) {
  char *end = put_text(message, "a trap: crashrig --seed ");
  end = put_number(end, seed);
  end = put_text(end, " --run ");
  end = put_number(end, run);
  end = put_text(end, " --runs 1 --model ");
  end = put_text(end, model);
  end = put_text(end, "\n");
  *end = 0;
}

static void say(int signal_number) {
  ssize_t written = write(STDERR_FILENO, message, strlen(message));
  (void)written;
  raise(signal_number);
}

void barkv_test_name_runs_in_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = say;
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE};
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
}
