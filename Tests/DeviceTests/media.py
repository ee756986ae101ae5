"""The media that stores are tried on in the guest."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Medium:
    """A place for a store, with what `kvcli info` has to say of it."""

    name: str
    address: str
    # What prepares it after each boot.
    preparation: str
    # What `kvcli create` needs beside the address.
    creation: str
    domain: str
    level: str


REGION_FUNCTION = "0000:01:00.0"
DISK_FUNCTION = "0000:02:00.0"
SHARED_MEMORY_FUNCTION = "0000:00:10.0"

MEDIA = [
    Medium("file", "/mnt/file/store", "medium file", "--size 48MiB", "fileSync", "persistent"),
    Medium("fsdax", "/mnt/fsdax/store", "medium fsdax", "--size 64MiB", "cacheFlush", "persistent"),
    Medium("devdax", "dax:/dev/dax1.0", "medium devdax", "--size $(cat /sys/bus/dax/devices/dax1.0/size)", "cacheFlush", "persistent"),
    Medium(
        "pmr", f"pmr:{REGION_FUNCTION}", f"medium bar {REGION_FUNCTION}", "--size 64MiB", "pmrStatusRead", "persistent"),
    Medium(
        "ivshmem", f"pci:{SHARED_MEMORY_FUNCTION}/2", f"medium bar {SHARED_MEMORY_FUNCTION}", "--size 64MiB", "readBack",
        "deviceAccepted"),
]
