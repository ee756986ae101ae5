#include "CTestSupport.h"

#include <unistd.h>

pid_t barkv_test_fork(void) { return fork(); }
