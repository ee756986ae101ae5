// Counting what a piece of work costs: the instructions that it runs, one by one, and the memory that it allocates.
//
// Counted, not timed: the same on a busy machine as on an idle one, and where a virtual machine hides the processor's
// own counters.
#ifndef C_STEPPER_H
#define C_STEPPER_H

#include <stddef.h>
#include <stdint.h>

// MARK: Instructions

// Around the work that is counted, in the child of `cst_run`. What stands between them is stepped through.
void cst_begin(void);
void cst_end(void);

// Runs `body` in a child process and counts the instructions of its thread between each `cst_begin` and `cst_end`, in
// their order, into `counts`. Other threads of the child run as they always do. The number of pairs, at most `capacity`;
// or a negative errno, or -1 where the child did not end as it should.
int cst_run(void (*body)(void *), void *context, uint64_t *counts, int capacity);

// MARK: Allocations

// How many times this thread has called malloc, calloc, realloc, aligned_alloc or posix_memalign.
uint64_t cst_allocations(void);

#endif
