// swift-tools-version: 6.2
import PackageDescription

/// The fuzzer is a package of its own, so that nothing of it is built with the store; `make fuzz` builds it as it must be
/// built. `Shared` links to what the tests use, too: edits, samples, and what is done to them.
let package = Package(
  name: "BarKVFuzz",
  products: [
    // Without a main, which libFuzzer brings.
    .library(name: "ImageFuzzer", type: .static, targets: ["ImageFuzzer"])
  ],
  dependencies: [
    .package(name: "BarKV", path: "..")
  ],
  targets: [
    .target(
      name: "ImageFuzzer",
      dependencies: [.product(name: "BarKV", package: "BarKV")],
      swiftSettings: [.strictMemorySafety(), .treatAllWarnings(as: .error)]
    )
  ]
)
