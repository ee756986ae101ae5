#include "CBarKV.h"

// What this processor has beyond what every processor of its kind has.

bool barkv_crc32c_found = false;
bool barkv_wide_stores_found = false;
bool barkv_masked_loads_found = false;
bool barkv_streaming_loads_found = false;

#if defined(__x86_64__)
__attribute__((constructor)) static void find_out(void) {
  __builtin_cpu_init();
  barkv_crc32c_found = __builtin_cpu_supports("sse4.2");
  barkv_streaming_loads_found = __builtin_cpu_supports("sse4.1");
  // Asks also whether the kernel keeps the registers.
  barkv_wide_stores_found = __builtin_cpu_supports("avx512f");
  barkv_masked_loads_found = barkv_wide_stores_found && __builtin_cpu_supports("avx512bw");
}
#endif
