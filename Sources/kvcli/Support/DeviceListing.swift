import BarKV

/// What `kvcli devices` reports.
struct DeviceListing {
  /// All functions that were found.
  let functions: [PCIFunction]
  /// Whether functions and BARs that can hold no store are shown.
  let showsAll: Bool

  /// The BARs of `function` that are shown.
  private func shownBars(of function: PCIFunction) -> [BaseAddressRegister] {
    showsAll ? function.bars : function.bars.filter { $0.verdict != .unsuitable }
  }

  /// The functions that are shown.
  private var shown: [PCIFunction] {
    showsAll ? functions : functions.filter { !shownBars(of: $0).isEmpty }
  }

  // MARK: For people

  /// The listing as a table, each row followed by what was found about it.
  var text: String {
    let shown = shown
    guard !shown.isEmpty else {
      guard !functions.isEmpty else { return "there is no PCI function\n" }
      return "no BAR of \(Figures.counted(functions.count, "PCI function")) can hold a store; --all shows why\n"
    }
    var rows = [
      Row(cells: ["FUNCTION", "DEVICE", "CLASS", "DRIVER", "NUMA", "IOMMU", "BAR", "SIZE", "TYPE", "STORE", "ADDRESS"])
    ]
    for function in shown {
      let bars = shownBars(of: function)
      let problem = function.problem.map { ["not all could be read: \($0)"] } ?? []
      if bars.isEmpty {
        rows.append(Row(cells: cells(of: function) + ["-", "-", "-", "no", "-"], notes: problem))
      }
      for (position, bar) in bars.enumerated() {
        rows.append(
          Row(
            cells: cells(of: function) + cells(of: bar),
            notes: (position == 0 ? problem : []) + bar.findings.flatMap(\.lines)))
      }
    }
    return Row.table(rows)
  }

  private func cells(of function: PCIFunction) -> [String] {
    [
      function.address.description,
      function.identity.map { "\(Hex.text($0.vendor)):\(Hex.text($0.device))" } ?? "-",
      function.identity?.className ?? "-",
      function.driver ?? "-",
      function.numaNode.map { "\($0)" } ?? "-",
      function.iommuGroup ?? "-",
    ]
  }

  private func cells(of bar: BaseAddressRegister) -> [String] {
    [
      "\(bar.index)", bar.size == 0 ? "-" : Figures.bytes(bar.size), bar.typeText, bar.verdictText,
      bar.storeAddress ?? "-",
    ]
  }

  // MARK: For programs

  /// The listing as JSON.
  var json: JSON {
    .object([
      ("opensDevices", .boolean(true)),
      ("functionCount", .integer(functions.count)),
      ("functions", .array(shown.map { function in json(function) })),
    ])
  }

  private func json(_ function: PCIFunction) -> JSON {
    .object([
      ("address", .string(function.address.description)),
      ("vendor", .optional(function.identity.map { .string(Hex.text($0.vendor)) })),
      ("device", .optional(function.identity.map { .string(Hex.text($0.device)) })),
      ("class", .optional(function.identity.map { .string(Hex.text($0.deviceClass)) })),
      ("programmingInterface", .optional(function.identity.map { .string(Hex.text($0.programmingInterface)) })),
      ("className", .optional(function.identity.map { .string($0.className) })),
      ("driver", .optional(function.driver.map(JSON.string))),
      ("numaNode", .optional(function.numaNode.map(JSON.integer))),
      ("iommuGroup", .optional(function.iommuGroup.map(JSON.string))),
      ("memorySpaceEnabled", .optional(function.isMemorySpaceEnabled.map(JSON.boolean))),
      ("problem", .optional(function.problem.map(JSON.string))),
      ("nvme", .optional(function.nvmeMemory?.json)),
      ("bars", .array(shownBars(of: function).map(\.json))),
    ])
  }
}

/// A row of a table, and the lines that follow it.
private struct Row {
  var cells: [String]
  var notes: [String] = []

  /// The rows with their columns aligned.
  static func table(_ rows: [Row]) -> String {
    let columns = rows.map(\.cells.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { $0.cells[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row.cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      // The last column needs no filling.
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return ([line] + row.notes.map { "    \($0)" }).map { $0 + "\n" }.joined()
    }.joined()
  }
}

extension BaseAddressRegister {
  /// The type for people.
  fileprivate var typeText: String {
    guard isMemory else { return "I/O ports" }
    let width = is64Bit ? "64-bit" : "32-bit"
    let kind =
      switch use {
      case .unknown: ""
      case .registers: ", NVMe registers"
      case .controllerMemoryBuffer: ", NVMe CMB"
      case .persistentMemoryRegion: ", NVMe PMR"
      }
    return width + (isPrefetchable ? " prefetchable" : "") + kind
  }

  /// The verdict for people.
  fileprivate var verdictText: String {
    switch verdict {
    case .ready: bestLevel == .persistent ? "ready, persistent" : "ready"
    case .blocked: "not yet"
    case .unsuitable: "no"
    }
  }

  /// The BAR for programs.
  fileprivate var json: JSON {
    .object([
      ("index", .integer(index)),
      ("address", .count(address)),
      ("bytes", .count(size)),
      ("isMemory", .boolean(isMemory)),
      ("is64Bit", .boolean(is64Bit)),
      ("isPrefetchable", .boolean(isPrefetchable)),
      ("resourceFile", .optional(resourceFile.map(JSON.string))),
      ("writeCombiningFile", .optional(writeCombiningFile.map(JSON.string))),
      ("use", .string(use.rawValue)),
      ("verdict", .string(verdict.rawValue)),
      ("bestLevel", .optional(bestLevel.map { .string($0.rawValue) })),
      ("storeAddress", .optional(storeAddress.map(JSON.string))),
      ("findings", .array(findings.map(\.json))),
    ])
  }
}

extension BaseAddressRegister.Finding {
  /// The finding for people.
  fileprivate var lines: [String] {
    [explanation] + (remedy.map { ["  what to do: \($0)"] } ?? [])
  }

  /// The finding for programs.
  fileprivate var json: JSON {
    .object([
      ("kind", .string(kind.rawValue)), ("verdict", .string(verdict.rawValue)), ("explanation", .string(explanation)),
      ("remedy", .optional(remedy.map(JSON.string))),
    ])
  }
}

extension NVMeMemoryState {
  /// The state for programs.
  fileprivate var json: JSON {
    switch self {
    case .unread(let reason):
      .object([("registersRead", .boolean(false)), ("reason", .string(reason))])
    case .read(let memory):
      .object([
        ("registersRead", .boolean(true)),
        ("persistentMemoryRegion", .optional(memory.persistentMemoryRegion?.json)),
        ("controllerMemoryBuffer", .optional(memory.controllerMemoryBuffer?.json)),
      ])
    }
  }
}

extension PersistentMemoryRegion {
  /// The region for programs.
  fileprivate var json: JSON {
    .object([
      ("bar", .integer(barIndex)),
      ("memoryReadIsBarrier", .boolean(memoryReadIsBarrier)),
      ("statusReadIsBarrier", .boolean(statusReadIsBarrier)),
      ("commandsMayRead", .boolean(commandsMayRead)),
      ("commandsMayWrite", .boolean(commandsMayWrite)),
      ("supportsControllerAddresses", .boolean(supportsControllerAddresses)),
      ("timeoutMilliseconds", .optional(timeoutMilliseconds.map(JSON.integer))),
      ("isEnabled", .boolean(isEnabled)),
      ("isReady", .boolean(isReady)),
      // What the status says counts only then.
      ("errorCode", .optional(isReady ? .integer(errorCode) : nil)),
      ("health", .optional(isReady ? health.map { .string("\($0)") } : nil)),
      ("elasticityBufferBytes", .optional(elasticityBufferSize.map(JSON.count))),
      ("sustainedWriteBytesPerSecond", .optional(sustainedWriteBytesPerSecond.map(JSON.count))),
    ])
  }
}

extension ControllerMemoryBuffer {
  /// The buffer for programs.
  fileprivate var json: JSON {
    .object([("bar", .optional(barIndex.map(JSON.integer))), ("bytes", .optional(size.map(JSON.count)))])
  }
}

extension JSON {
  /// `value`, or null.
  fileprivate static func optional(_ value: JSON?) -> JSON { value ?? .null }
}
