// swift-tools-version: 6.2
import PackageDescription

/// As strict as the library's own targets.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// Whether the comparison with other stores is built, which needs their libraries: `Scripts/bench-rivals` installs them.
let comparesRivals = Context.environment["BARKV_RIVALS"] == "1"

let package = Package(
  name: "BarKVBenchmarks",
  products: [
    .executable(name: "barkv-bench", targets: ["barkv-bench"]),
    .executable(name: "barkv-guard", targets: ["barkv-guard"]),
  ],
  dependencies: [
    .package(name: "BarKV", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
  ],
  targets: [
    // What BarKV is measured against: loops that no store can beat by much, in C.
    .target(name: "CRawLoops"),
    // What both programs measure with: keys, values, clocks.
    .target(name: "BenchSupport", dependencies: ["CRawLoops"], swiftSettings: strict),
    .executableTarget(
      name: "barkv-bench",
      dependencies: [
        "BenchSupport",
        "CRawLoops",
        .product(name: "BarKV", package: "BarKV"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict
    ),
    // Counts instructions by single steps, and allocations by taking the place of malloc.
    .target(name: "CStepper"),
    .executableTarget(
      name: "barkv-guard",
      dependencies: [
        "CRawLoops", "CStepper",
        .product(name: "BarKV", package: "BarKV"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict
    ),
  ],
  cxxLanguageStandard: .cxx17
)

if comparesRivals {
  package.products.append(.executable(name: "barkv-rivals", targets: ["barkv-rivals"]))
  package.dependencies.append(.package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"))
  package.targets += [
    // The other stores behind one small interface in C.
    .target(
      name: "CRivals",
      linkerSettings: ["lmdb", "rocksdb", "leveldb", "tkrzw", "kyotocabinet", "wiredtiger", "sqlite3"].map {
        .linkedLibrary($0)
      }
    ),
    .executableTarget(
      name: "barkv-rivals",
      dependencies: [
        "BenchSupport",
        "CRawLoops",
        "CRivals",
        .product(name: "BarKV", package: "BarKV"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict
    ),
  ]
}
