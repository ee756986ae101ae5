import BarKV
import PeerDevices

/// Reads blocks the usual way, to be compared with ``DirectReader``: the disk writes them beside the store, and the processor
/// copies them out of there and into a value.
struct StagedReader {
  private let store: Store
  private let controller: NVMeController
  private let namespace: NVMeNamespace

  init(_ store: Store, _ controller: NVMeController, _ namespace: NVMeNamespace) {
    self.store = store
    self.controller = controller
    self.namespace = namespace
  }

  /// Makes `transfers`, and calls `committed` with each value's length once it is durable.
  ///
  /// - Returns: how many bytes of values were loaded into memory.
  func run(_ transfers: some Sequence<BlockTransfer>, committed: (Int) throws -> Void) throws -> Int {
    var area: StagingArea?
    var copied = 0
    for transfer in transfers {
      let length = try transfer.byteCount(in: namespace)
      let staging: StagingArea
      if let area, area.range.length >= length {
        staging = area
      } else {
        staging = try StagingArea(length, in: controller.memory)
        area = staging
      }
      guard let range = BusRange(start: staging.range.start, length: length) else { continue }
      for operation in [NVMeOperation.read, .compare] {
        try controller.wait(
          for: controller.begin(operation, namespace, firstBlock: transfer.firstBlock, memory: [range]))
      }
      let before = controller.memory.loadedBytes
      let value = staging.copy(length)
      copied += controller.memory.loadedBytes - before
      try store.put(value, for: transfer.key)
      try committed(length)
    }
    return copied
  }
}
