// A GPU as a peer of a store: it writes values in place and reads them in place, across PCIe, in a mapping of the store's
// file that is registered with it. No byte of a value goes through the processor.
//
//   gpupeer FILE
//
// Answers "peer NAME", "base ADDRESS" (where the GPU finds the file's first byte), then one line for each that it reads:
//
//   write OFFSET LENGTH SEED HOW [UP_TO]   writes a value there, or its bytes before UP_TO only: "done"
//   check OFFSET LENGTH SEED               reads it there; how many bytes are not the value's: "differ N"
//   expect LENGTH SEED PATH                the value, made by the processor, and its CRC32C: "crc XXXXXXXX"
//
// HOW is `stores`, a kernel whose threads store single bytes and words in an order of no sense, or `engine`, the copy
// engine. Built with -DPRETENDED, by any C++ compiler, this process is the peer itself.
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#ifdef PRETENDED
#define BOTH
#else
#include <cuda_runtime.h>
#define BOTH __host__ __device__
#endif

// The byte at `place` of the value of `seed`: neighbours differ, and no two values are alike.
BOTH static uint8_t value_byte(uint64_t seed, uint64_t place) {
  uint64_t x = seed * 0x9e3779b97f4a7c15ull + (place >> 3);
  x ^= x >> 32, x *= 0xd6e8feb86659fd93ull, x ^= x >> 32, x *= 0xd6e8feb86659fd93ull, x ^= x >> 32;
  return (uint8_t)(x >> (8 * (place & 7)));
}

static uint32_t crc32c(const std::vector<uint8_t> &bytes) {
  uint32_t table[256];
  for (uint32_t byte = 0; byte < 256; byte++) {
    table[byte] = byte;
    for (int bit = 0; bit < 8; bit++) table[byte] = table[byte] >> 1 ^ (table[byte] & 1 ? 0x82f63b78u : 0);
  }
  uint32_t crc = ~0u;
  for (uint8_t byte : bytes) crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
  return ~crc;
}

[[noreturn]] static void fail(const char *what, const char *why) {
  fprintf(stderr, "gpupeer: %s: %s\n", what, why);
  exit(1);
}

#ifdef PRETENDED

struct Peer {
  uint8_t *memory;
  Peer(uint8_t *memory, size_t) : memory(memory) {}
  std::string name() const { return "a process"; }
  uint64_t base() const { return (uint64_t)(uintptr_t)memory; }
  void write(uint64_t offset, uint64_t, uint64_t up_to, uint64_t seed, bool) {
    for (uint64_t place = up_to; place-- > 0;) memory[offset + place] = value_byte(seed, place);
  }
  uint64_t differing(uint64_t offset, uint64_t length, uint64_t seed) {
    uint64_t count = 0;
    for (uint64_t place = 0; place < length; place++) count += memory[offset + place] != value_byte(seed, place);
    return count;
  }
};

#else

#define CHECK(call)                                                      \
  do {                                                                   \
    cudaError_t code = (call);                                           \
    if (code != cudaSuccess) fail(#call, cudaGetErrorString(code));      \
  } while (0)

// Each thread takes pieces of 8 bytes, far apart: what the GPU posts reaches memory in no order that anybody chose.
__global__ static void store_value(uint8_t *target, uint64_t up_to, uint64_t seed) {
  uint64_t pieces = (up_to + 7) / 8, threads = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t turn = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; turn < pieces; turn += threads) {
    uint64_t piece = pieces - 1 - turn, start = piece * 8;
    uint64_t word = 0;
    for (uint64_t place = 0; place < 8; place++) word |= (uint64_t)value_byte(seed, start + place) << (8 * place);
    if (start + 8 <= up_to && (uintptr_t)(target + start) % 8 == 0)
      *(volatile uint64_t *)(target + start) = word;
    else
      for (uint64_t place = start; place < up_to && place < start + 8; place++)
        *(volatile uint8_t *)(target + place) = (uint8_t)(word >> (8 * (place - start)));
  }
}

__global__ static void count_differing(const uint8_t *source, uint64_t length, uint64_t seed, unsigned long long *count) {
  uint64_t threads = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t place = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; place < length; place += threads)
    if (((const volatile uint8_t *)source)[place] != value_byte(seed, place)) atomicAdd(count, 1ull);
}

struct Peer {
  uint8_t *host, *device = nullptr, *staging = nullptr;
  size_t staged = 0;
  unsigned long long *count = nullptr;

  Peer(uint8_t *memory, size_t length) : host(memory) {
    CHECK(cudaSetDeviceFlags(cudaDeviceMapHost));
    CHECK(cudaHostRegister(memory, length, cudaHostRegisterMapped));
    CHECK(cudaHostGetDevicePointer((void **)&device, memory, 0));
    CHECK(cudaMalloc((void **)&count, sizeof *count));
  }
  uint64_t base() const { return (uint64_t)(uintptr_t)device; }
  std::string name() const {
    cudaDeviceProp properties;
    CHECK(cudaGetDeviceProperties(&properties, 0));
    char bus[32];
    CHECK(cudaDeviceGetPCIBusId(bus, sizeof bus, 0));
    return std::string(properties.name) + " at " + bus;
  }

  void write(uint64_t offset, uint64_t length, uint64_t up_to, uint64_t seed, bool by_engine) {
    if (up_to == 0) return;
    if (by_engine) {
      // The value is made in the GPU's own memory, and leaves it by DMA.
      if (staged < length) {
        if (staging) CHECK(cudaFree(staging));
        CHECK(cudaMalloc((void **)&staging, length));
        staged = length;
      }
      store_value<<<64, 256>>>(staging, length, seed);
      CHECK(cudaGetLastError());
      CHECK(cudaMemcpyAsync(host + offset, staging, up_to, cudaMemcpyDeviceToHost));
    } else {
      store_value<<<64, 256>>>(device + offset, up_to, seed);
      CHECK(cudaGetLastError());
    }
    CHECK(cudaDeviceSynchronize());
  }

  uint64_t differing(uint64_t offset, uint64_t length, uint64_t seed) {
    unsigned long long found = 0;
    CHECK(cudaMemset(count, 0, sizeof *count));
    count_differing<<<64, 256>>>(device + offset, length, seed, count);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(&found, count, sizeof found, cudaMemcpyDeviceToHost));
    return found;
  }
};

#endif

int main(int argc, char **argv) {
  if (argc != 2) fail("usage", "gpupeer FILE");
  int file = open(argv[1], O_RDWR | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) fail(argv[1], strerror(errno));
  size_t size = (size_t)status.st_size;
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) fail("mmap", strerror(errno));
  Peer peer((uint8_t *)memory, size);
  printf("peer %s\n", peer.name().c_str());
  printf("base %" PRIx64 "\n", peer.base());
  fflush(stdout);
  char line[4096], path[2048], how[16];
  while (fgets(line, sizeof line, stdin)) {
    uint64_t offset, length, seed, up_to;
    int count;
    if ((count = sscanf(line, "write %" SCNu64 " %" SCNu64 " %" SCNu64 " %15s %" SCNu64, &offset, &length, &seed, how,
                        &up_to)) >= 4) {
      if (count == 4) up_to = length;
      if (offset > size || length > size - offset || up_to > length) fail("write", "outside the file");
      peer.write(offset, length, up_to, seed, strcmp(how, "engine") == 0);
      printf("done\n");
    } else if (sscanf(line, "check %" SCNu64 " %" SCNu64 " %" SCNu64, &offset, &length, &seed) == 3) {
      if (offset > size || length > size - offset) fail("check", "outside the file");
      printf("differ %" PRIu64 "\n", peer.differing(offset, length, seed));
    } else if (sscanf(line, "expect %" SCNu64 " %" SCNu64 " %2047s", &length, &seed, path) == 3) {
      std::vector<uint8_t> value(length);
      for (uint64_t place = 0; place < length; place++) value[place] = value_byte(seed, place);
      FILE *target = fopen(path, "wb");
      if (!target || fwrite(value.data(), 1, length, target) != length || fclose(target) != 0) fail(path, strerror(errno));
      printf("crc %08x\n", crc32c(value));
    } else {
      fail("not understood", line);
    }
    fflush(stdout);
  }
  return 0;
}
