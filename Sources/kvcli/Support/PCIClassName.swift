import BarKV

extension PCIIdentity {
  /// What a person calls the class: of those that may have memory the exact name, else the base class (PCI Code and ID
  /// Assignment Specification).
  var className: String {
    switch (deviceClass, programmingInterface) {
    case (0x0108, 0x02): "NVMe"
    case (0x0500, _): "RAM"
    case (0x0501, _): "flash memory"
    case (0x0502, _): "CXL memory"
    default: baseClassName
    }
  }

  private var baseClassName: String {
    switch deviceClass >> 8 {
    case 0x00: "unclassified"
    case 0x01: "storage"
    case 0x02: "network"
    case 0x03: "display"
    case 0x04: "multimedia"
    case 0x05: "memory"
    case 0x06: "bridge"
    case 0x07: "communication"
    case 0x08: "system"
    case 0x09: "input"
    case 0x0A: "docking"
    case 0x0B: "processor"
    case 0x0C: "serial bus"
    case 0x0D: "wireless"
    case 0x0E: "intelligent I/O"
    case 0x0F: "satellite"
    case 0x10: "encryption"
    case 0x11: "signal processing"
    case 0x12: "accelerator"
    default: "class \(Hex.text(deviceClass))"
    }
  }
}
