"""The media that stores are tried on in the guest."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Medium:
    """A place for a store, with what `kvcli info` has to say of it."""

    name: str
    address: str
    # What prepares it after each boot.
    preparation: str
    domain: str
    level: str
    # Words of the reason for that.
    reason: str
    # What `kvcli create` needs beside the address: a device has a size of its own.
    creation: str = ""

    @property
    def is_bar(self) -> bool:
        return self.address.startswith(("pci:", "pmr:"))


REGION_FUNCTION = "0000:01:00.0"
DISK_FUNCTION = "0000:02:00.0"
SHARED_MEMORY_FUNCTION = "0000:00:10.0"

MEDIA = [
    Medium(
        "file", "/mnt/file/store", "medium file", "fileSync", "persistent", "msync", creation="--size 48MiB"),
    Medium(
        "fsdax", "/mnt/fsdax/store", "medium fsdax", "cacheFlush", "persistent", "DAX", creation="--size 64MiB"),
    Medium("devdax", "dax:/dev/dax1.0", "medium devdax", "cacheFlush", "persistent", "DAX"),
    Medium(
        "pmr", f"pmr:{REGION_FUNCTION}", f"medium bar {REGION_FUNCTION}", "pmrStatusRead", "persistent",
        "write-combining, as the kernel's list confirms"),
    Medium(
        "ivshmem", f"pci:{SHARED_MEMORY_FUNCTION}/2", f"medium bar {SHARED_MEMORY_FUNCTION}", "readBack", "deviceAccepted",
        "write-combining, as the kernel's list confirms"),
]
