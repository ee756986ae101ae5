// What tests need and Swift does not let them call.
#ifndef CTESTSUPPORT_H
#define CTESTSUPPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// fork(2), which Swift marks as unavailable: 0 in the child, the child's identifier in the parent, -1 on failure. The
/// child of a process with one thread may go on as it likes.
pid_t barkv_test_fork(void);

/// Installs a SIGBUS handler that counts its calls, and puts memory where a cut-off mapping was.
void barkv_test_count_bus(bool takes_information);
int barkv_test_bus_count(void);
/// A mapping of a file that was cut off since, at `place` or anywhere: touching it is a SIGBUS.
void *barkv_test_cut_off_mapping(void *place);
/// Loads a byte.
void barkv_test_touch(void *address);
/// Says on standard error which run a fatal signal (a trap among them) ended, and ends the process by it.
void barkv_test_name_runs_in_signals(void);
/// The run that this thread is at.
void barkv_test_set_run(uint64_t seed, uint64_t run, const char *model);

#endif
