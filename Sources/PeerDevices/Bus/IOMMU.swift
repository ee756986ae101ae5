/// What stands between a device and the bus addresses that it is given.
enum IOMMU {
  /// Whether the group's devices are given other addresses than those of the bus. What cannot be read is taken to translate:
  /// a wrong address makes a device write where nobody knows.
  static func translates(_ group: String, sysfs: String) -> Bool {
    let type = FileText.read("\(sysfs)/kernel/iommu_groups/\(group)/type")
    return type?.split(separator: "\n").first != "identity"
  }
}
