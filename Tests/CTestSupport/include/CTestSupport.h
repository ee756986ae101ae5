// What tests need and Swift does not let them call.
#ifndef CTESTSUPPORT_H
#define CTESTSUPPORT_H

#include <sys/types.h>

/// fork(2), which Swift marks as unavailable: 0 in the child, the child's identifier in the parent, -1 on failure. The
/// child of a process with one thread may go on as it likes.
pid_t barkv_test_fork(void);

#endif
