// swift-tools-version: 6.2
import PackageDescription

/// As strict as the library's own targets.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

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
    .executableTarget(
      name: "barkv-bench",
      dependencies: [
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
  ]
)
