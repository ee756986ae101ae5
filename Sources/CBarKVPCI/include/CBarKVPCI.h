// libpci, with its results as plain structures and its errors as values.
//
// libpci reports an error by calling a variadic handler that must not return; its own handler ends the process. Swift can
// neither be that handler nor be jumped over, so every call of libpci is made here.
#ifndef CBARKVPCI_H
#define CBARKVPCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  BARKV_PCI_BARS = 6,
  /// The part of the configuration space that every function has.
  BARKV_PCI_CONFIG_BYTES = 64,
  /// The longest name and message, with the zero that ends it; longer ones are cut off.
  BARKV_PCI_NAME_BYTES = 64,
  BARKV_PCI_MESSAGE_BYTES = 256,
};

enum {
  /// vendor, device, device_class, programming_interface
  BARKV_PCI_KNOWS_IDENTITY = 1,
  /// bars
  BARKV_PCI_KNOWS_BARS = 2,
  /// config
  BARKV_PCI_KNOWS_CONFIG = 4,
};

/// What the kernel says of a base address register: the address with the register's low four bits, the size, and the
/// kernel's resource flags.
struct barkv_pci_bar {
  uint64_t base, size, flags;
};

struct barkv_pci_function {
  uint32_t domain;
  uint8_t bus, device_number, function_number;
  uint8_t programming_interface;
  /// BARKV_PCI_KNOWS bits: which of the fields could be read.
  uint32_t known;
  uint16_t vendor, device, device_class;
  /// -1 where there is none.
  int32_t numa_node;
  struct barkv_pci_bar bars[BARKV_PCI_BARS];
  uint8_t config[BARKV_PCI_CONFIG_BYTES];
  /// Empty where there is none.
  char driver[BARKV_PCI_NAME_BYTES], iommu_group[BARKV_PCI_NAME_BYTES];
  /// The first thing about this function that could not be read; empty where everything could.
  char problem[BARKV_PCI_MESSAGE_BYTES];
};

/// Lists the functions below `path`/devices, in no order; `path` is /sys/bus/pci on a machine that runs.
///
/// False where the bus as a whole cannot be read: `message`, of BARKV_PCI_MESSAGE_BYTES, says why, and there is nothing to
/// release. What cannot be read of one function is in its `problem`.
bool barkv_pci_scan(const char *path, struct barkv_pci_function **functions, size_t *count, char *message);
void barkv_pci_release(struct barkv_pci_function *functions);

/// One aligned 32-bit load from a device's register: the width that registers are defined for.
static inline uint32_t barkv_pci_register(const void *address) { return *(const volatile uint32_t *)address; }
/// One aligned 32-bit store to a device's register.
static inline void barkv_pci_write_register(void *address, uint32_t value) { *(volatile uint32_t *)address = value; }
/// One aligned 64-bit store to a device's register.
static inline void barkv_pci_write_register64(void *address, uint64_t value) { *(volatile uint64_t *)address = value; }

#endif
