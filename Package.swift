// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: the Swift 6 language mode comes with the tools version; strict memory safety makes
/// each use of an unsafe construct say so, and no warning is left standing.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// The crash rig reaches into the library by `@testable`, which an optimised build offers only when it is built with
/// `-enable-testing`. So its tool is there when it is asked for, as `make crash` does, and a plain build does without.
let buildsCrashRig = Context.environment["BARKV_CRASH_RIG"] == "1"

/// The gate on the tests themselves (Scripts/mutate) needs the rig, and of the other tests those about
/// power cuts and damage.
let buildsMutants = Context.environment["BARKV_MUTANTS"] == "1"

let damageTests: [Target] = [
  .testTarget(
    name: "DamageTests", dependencies: ["BarKV", "CBarKV"], path: "Tests/BarKVTests",
    exclude: [
      "API", "Device", "Faults", "ConcurrencyTests.swift", "EpochsTests.swift", "IndexGrowthTests.swift",
      "KillLoopTests.swift", "ModelTests.swift", "SegmentReuseTests.swift",
      "StoreBasicsTests.swift",
    ], swiftSettings: strict),
  .testTarget(
    name: "CrashRegressionTests", dependencies: ["BarKV", "CBarKV", "CrashRig"], path: "Tests/CrashTests",
    exclude: [
      "Rig", "LinearizabilityCheckerTests.swift", "PeerInterleavingTests.swift", "PersistenceModelTests.swift",
      "RigTests.swift",
      "TemporaryDirectory.swift",
    ], swiftSettings: strict),
]

let crashTargets: [Target] =
  buildsCrashRig
  ? [
    .target(
      name: "CrashRig",
      dependencies: ["BarKV", "CBarKV", "CTestSupport", .product(name: "SystemPackage", package: "swift-system")],
      path: "Tests/CrashTests/Rig", swiftSettings: strict),
    .executableTarget(
      name: "crashrig",
      dependencies: [
        "BarKV", "CrashRig", "CTestSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tests/crashrig", swiftSettings: strict),
  ]
  // The tests of the rig itself, with the rig's sources among them.
  : [
    .testTarget(
      name: "CrashTests",
      dependencies: ["BarKV", "CBarKV", "CTestSupport", .product(name: "SystemPackage", package: "swift-system")],
      swiftSettings: strict)
  ]

let otherTests: [Target] = [
  .testTarget(
    name: "BarKVTests", dependencies: ["BarKV", "BarKVFoundation", "CBarKV", "StoreProcess"], swiftSettings: strict),
  .testTarget(
    name: "FormatTests", dependencies: ["BarKV"], exclude: ["Resources"], swiftSettings: strict),
  .testTarget(name: "CLITests", dependencies: ["BarKV", "kvcli"], swiftSettings: strict),
  .testTarget(
    name: "PeerDevicesTests",
    dependencies: [
      "BarKV", "PeerDevices", "barkv-ingest", .product(name: "SystemPackage", package: "swift-system"),
    ],
    swiftSettings: strict),
]

let package = Package(
  name: "BarKV",
  products: [
    .library(name: "BarKV", targets: ["BarKV"]),
    .library(name: "BarKVFoundation", targets: ["BarKVFoundation"]),
    .executable(name: "kvcli", targets: ["kvcli"]),
    .executable(name: "barkv-ingest", targets: ["barkv-ingest"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
  ],
  targets: [
    // Persistent-memory primitives: flush, non-temporal copy, mapping, msync.
    .systemLibrary(name: "CLibPMem", pkgConfig: "libpmem", providers: [.apt(["libpmem-dev"])]),
    // CRC32C at memory speed.
    .systemLibrary(name: "CLibISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
    // The PCI bus: which functions there are, with which BARs.
    .systemLibrary(name: "CLibPCI", pkgConfig: "libpci", providers: [.apt(["libpci-dev"])]),
    // libpci behind calls that return its errors: its own way is to end the process.
    .target(name: "CBarKVPCI", dependencies: ["CLibPCI"]),
    // What Swift cannot say itself: fences, prefetches, futex, membarrier, thread-local slots, guards of forks and
    // of SIGBUS.
    .target(name: "CBarKV"),
    .target(
      name: "BarKV",
      dependencies: [
        "CBarKV", "CBarKVPCI", "CLibPMem", "CLibISAL",
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict
    ),
    // `Data` as key and value: a layer of its own, so that the core does not pull in Foundation.
    .target(name: "BarKVFoundation", dependencies: ["BarKV"], swiftSettings: strict),
    // Drivers in user space for devices that write into a store's memory, and read from it, by themselves.
    .target(
      name: "PeerDevices",
      dependencies: ["BarKV", "CBarKV", "CBarKVPCI", .product(name: "SystemPackage", package: "swift-system")],
      swiftSettings: strict
    ),
    .executableTarget(
      name: "kvcli",
      dependencies: [
        "BarKV",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict
    ),
    .executableTarget(
      name: "barkv-ingest",
      dependencies: [
        "BarKV", "PeerDevices",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict
    ),
    .target(name: "CTestSupport", path: "Tests/CTestSupport"),
    // Another process that uses a store: to be killed, to hold a lock, to fork.
    .executableTarget(
      name: "StoreProcess", dependencies: ["BarKV", "CTestSupport"], path: "Tests/StoreProcess", swiftSettings: strict),
    .testTarget(name: "ImageTests", dependencies: ["BarKV"], swiftSettings: strict),
  ] + crashTargets + (buildsMutants ? damageTests : otherTests)
)
