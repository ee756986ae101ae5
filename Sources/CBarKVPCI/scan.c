#include "CBarKVPCI.h"

#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Where an error of libpci goes. The handler gets no context, so each thread has one; what is between the jump and its
/// target is libpci's and this file's frames only. What libpci had open or allocated in the frames that are left stays so:
/// an open folder for a name that is no address, an open file for a resource that is no number. No kernel makes either.
static _Thread_local struct {
  jmp_buf target;
  char *message;
} escape;

/// The scan's state. It is the caller's and outlives the jumps, unlike locals of the function that they land in.
struct scan {
  const char *path;
  struct pci_access *access;
  struct pci_dev *device;
  struct barkv_pci_function *functions, *function;
  size_t count;
};

static void leave(char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void leave(char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(escape.message, BARKV_PCI_MESSAGE_BYTES, format, arguments);
  va_end(arguments);
  longjmp(escape.target, 1);
}

/// Warnings and debugging output would go to standard error, which is not a library's.
static void ignore(char *format, ...) __attribute__((format(printf, 1, 2)));
static void ignore(char *format, ...) { (void)format; }

/// Makes `call`; false where libpci ended it by an error, which is then in `message`.
static bool guarded(void (*call)(struct scan *), struct scan *scan, char *message) {
  escape.message = message;
  if (setjmp(escape.target) != 0) return false;
  call(scan);
  return true;
}

static void open_bus(struct scan *scan) {
  // The method is set, not detected: detection goes on to raw ports where sysfs is not found.
  scan->access->method = PCI_ACCESS_SYS_BUS_PCI;
  if (pci_set_param(scan->access, "sysfs.path", (char *)scan->path) != 0)
    scan->access->error("libpci has no access to sysfs");
  pci_init(scan->access);
  pci_scan_bus(scan->access);
}

static void read_identity(struct scan *scan) {
  const int wanted = PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_CLASS_EXT;
  struct pci_dev *device = scan->device;
  if ((pci_fill_info(device, wanted) & wanted) != wanted) leave("libpci does not know vendor, device and class");
  scan->function->vendor = device->vendor_id;
  scan->function->device = device->device_id;
  scan->function->device_class = device->device_class;
  scan->function->programming_interface = device->prog_if;
  scan->function->known |= BARKV_PCI_KNOWS_IDENTITY;
}

static void read_bars(struct scan *scan) {
  const int wanted = PCI_FILL_BASES | PCI_FILL_SIZES | PCI_FILL_IO_FLAGS;
  struct pci_dev *device = scan->device;
  if ((pci_fill_info(device, wanted) & wanted) != wanted) leave("libpci does not know the base address registers");
  for (int i = 0; i < BARKV_PCI_BARS; i++)
    scan->function->bars[i] =
        (struct barkv_pci_bar){.base = device->base_addr[i], .size = device->size[i], .flags = device->flags[i]};
  scan->function->known |= BARKV_PCI_KNOWS_BARS;
}

static void read_config(struct scan *scan) {
  if (!pci_read_block(scan->device, 0, scan->function->config, BARKV_PCI_CONFIG_BYTES))
    leave("the configuration space cannot be read, or has fewer than %d bytes", BARKV_PCI_CONFIG_BYTES);
  // A vendor of all ones alone is what virtual functions have.
  size_t ones = 0;
  while (ones < BARKV_PCI_CONFIG_BYTES && scan->function->config[ones] == 0xFF) ones++;
  if (ones == BARKV_PCI_CONFIG_BYTES) leave("the configuration space reads as all ones: the device is gone");
  scan->function->known |= BARKV_PCI_KNOWS_CONFIG;
}

static void read_surroundings(struct scan *scan) {
  struct pci_dev *device = scan->device;
  int known = pci_fill_info(device, PCI_FILL_NUMA_NODE | PCI_FILL_DRIVER | PCI_FILL_IOMMU_GROUP);
  if (known & PCI_FILL_NUMA_NODE) scan->function->numa_node = device->numa_node;
  const char *driver = pci_get_string_property(device, PCI_FILL_DRIVER);
  if (driver) snprintf(scan->function->driver, BARKV_PCI_NAME_BYTES, "%s", driver);
  const char *group = pci_get_string_property(device, PCI_FILL_IOMMU_GROUP);
  if (group) snprintf(scan->function->iommu_group, BARKV_PCI_NAME_BYTES, "%s", group);
}

static void close_bus(struct scan *scan) { pci_cleanup(scan->access); }

/// Reads one function in steps, so that what one step cannot read does not take the others' results away.
static void read_function(struct scan *scan) {
  void (*const steps[])(struct scan *) = {read_identity, read_bars, read_config, read_surroundings};
  struct barkv_pci_function *function = scan->function;
  function->domain = (uint32_t)scan->device->domain;
  function->bus = scan->device->bus;
  function->device_number = scan->device->dev;
  function->function_number = scan->device->func;
  function->numa_node = -1;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    char message[BARKV_PCI_MESSAGE_BYTES];
    if (!guarded(steps[i], scan, message) && function->problem[0] == 0)
      memcpy(function->problem, message, sizeof message);
  }
}

bool barkv_pci_scan(const char *path, struct barkv_pci_function **functions, size_t *count, char *message) {
  struct scan scan = {.path = path, .access = pci_alloc()};
  char ignored[BARKV_PCI_MESSAGE_BYTES];
  if (!scan.access) {
    snprintf(message, BARKV_PCI_MESSAGE_BYTES, "out of memory");
    return false;
  }
  // Before anything else is called.
  scan.access->error = leave;
  scan.access->warning = ignore;
  scan.access->debug = ignore;
  bool done = guarded(open_bus, &scan, message);
  if (done) {
    for (struct pci_dev *device = scan.access->devices; device; device = device->next) scan.count++;
    scan.functions = calloc(scan.count + 1, sizeof *scan.functions);
    if (!scan.functions) {
      snprintf(message, BARKV_PCI_MESSAGE_BYTES, "out of memory");
      done = false;
    }
  }
  if (done) {
    scan.function = scan.functions;
    for (scan.device = scan.access->devices; scan.device; scan.device = scan.device->next) {
      read_function(&scan);
      scan.function++;
    }
    *functions = scan.functions;
    *count = scan.count;
  }
  guarded(close_bus, &scan, ignored);
  return done;
}

void barkv_pci_release(struct barkv_pci_function *functions) { free(functions); }
