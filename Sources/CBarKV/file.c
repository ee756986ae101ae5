#define _GNU_SOURCE
#include "CBarKV.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

// Younger than some C libraries.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int barkv_errno(void) { return errno; }

int barkv_lock(int fd, bool exclusive) {
  struct flock range = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
  int result;
  do result = fcntl(fd, F_OFD_SETLK, &range);
  while (result == -1 && errno == EINTR);
  return result == -1 ? errno : 0;
}

void barkv_unlock(int fd) {
  struct flock range = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  fcntl(fd, F_OFD_SETLK, &range);
}

bool barkv_is_memory_file_system(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) != 0) return false;
  return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

bool barkv_is_dax(int fd, size_t length) {
  void *address = mmap(NULL, length, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
  if (address == MAP_FAILED) return false;
  munmap(address, length);
  return true;
}

int barkv_allocate(int fd, int64_t length) {
  int result;
  do result = posix_fallocate(fd, 0, length);
  while (result == EINTR);
  return result;
}

void *barkv_map(int fd, size_t length, bool writable) {
  void *address = mmap(NULL, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  return address == MAP_FAILED ? NULL : address;
}

void *barkv_reserve(size_t length) {
  void *address = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? NULL : address;
}

int barkv_map_over(void *address, int fd, size_t offset, size_t length, bool writable) {
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void *mapped = mmap(address, length, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
  return mapped == MAP_FAILED ? errno : 0;
}

bool barkv_is_character_device(int fd, uint32_t *major_number, uint32_t *minor_number) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISCHR(status.st_mode)) return false;
  *major_number = major(status.st_rdev);
  *minor_number = minor(status.st_rdev);
  return true;
}

void barkv_dont_fork(void *address, size_t length) { madvise(address, length, MADV_DONTFORK); }

void barkv_populate_for_reading(const void *start, size_t count) {
  size_t within = (uintptr_t)start % (uintptr_t)sysconf(_SC_PAGESIZE);
  void *address = (char *)start - within;
  size_t length = count + within;
  madvise(address, length, MADV_POPULATE_READ);
}

void barkv_populate(void *address, size_t length) {
  madvise(address, length, MADV_POPULATE_WRITE);
}
