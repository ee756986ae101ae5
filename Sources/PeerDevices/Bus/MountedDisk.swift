import SystemPackage

/// A block device that somebody has mounted.
struct MountedDisk: Sendable, Equatable {
  /// Its node, `/dev/nvme0n1` or one of its partitions.
  let device: String
  /// Where it is mounted.
  let place: String

  /// The first mounted block device that belongs to the PCI function with the folder `directory`.
  ///
  /// - Parameter mounts: the kernel's list of mounts.
  static func find(on directory: String, mounts: String = "/proc/self/mounts") -> MountedDisk? {
    let controllers = DirectoryListing.names("\(directory)/nvme")
    return find(controllers: controllers, in: FileText.read(mounts) ?? "")
  }

  /// The first line of `mounts` whose device is a namespace, or a partition of one, of these NVMe controllers.
  static func find(controllers: [String], in mounts: String) -> MountedDisk? {
    for line in mounts.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 1, words[0].hasPrefix("/dev/") else { continue }
      let node = words[0].dropFirst("/dev/".count)
      // nvme1 has nvme1n1, and nvme1n1p2; nvme10n1 is another's.
      if controllers.contains(where: { node.hasPrefix($0 + "n") }) {
        return MountedDisk(device: String(words[0]), place: String(words[1]))
      }
    }
    return nil
  }
}
