import Testing

/// create, info, verify and bench: what they report, and the help of every command.
@Suite struct ReportTests {
  let tool: CommandLineTool

  init() throws {
    tool = try CommandLineTool()
  }

  @Test(arguments: [
    ("65536", 65_536), ("64KiB", 65_536), ("1MiB", 1 << 20), ("1mib", 1 << 20), ("1 MiB", 1 << 20), ("128kB", 128_000),
    ("1MB", 1_000_000), ("131072B", 131_072),
  ])
  func sizesHaveUnits(text: String, bytes: Int) throws {
    let outcome = try tool.run("create", tool.path("store"), "--size", text, "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try JSONReport(outcome).integer("regionBytes") == bytes)
    #expect(try Files.read(tool.path("store")).count == bytes)
  }

  @Test func createTakesASegmentSize() throws {
    let outcome = try tool.run("create", tool.path("store"), "--size", "1MiB", "--segment-size", "64KiB", "--json")
    let report = try JSONReport(outcome)
    #expect(try report.integer("segmentBytes") == 65_536)
    #expect(try report.string("store") == "file:\(tool.path("store"))")
    let text = try tool.run("create", tool.path("other"), "--size", "1MiB", "--segment-size", "64KiB")
    #expect(text.text.hasPrefix("created \(tool.path("other")): 1 MiB, "), "\(text.text)")
  }

  @Test func infoCountsWhatIsThere() throws {
    let store = try tool.makeStore(size: "4MiB")
    let lines = (0..<50).map { "key\($0)\tvalue\n" }.joined()
    #expect(try tool.run("load", store, input: Array(lines.utf8)).status == 0)
    #expect(try tool.run("delete", store, "key7").status == 0)
    let report = try JSONReport(tool.run("info", store, "--json"))
    #expect(try report.integer("keys") == 49)
    #expect(try report.integer("regionBytes") == 4 << 20)
    let (live, dead, free) = try (report.integer("liveBytes"), report.integer("deadBytes"), report.integer("freeBytes"))
    #expect(live > 0 && dead > 0 && free > 0)
    #expect(try report.integer("capacityBytes") == live + dead + free)
    #expect(try report.string("domain") != "")
    #expect(["persistent", "process"].contains(try report.string("level")))
    #expect(try report.integer("ownerEpoch") == 3)
    let recovery = try report.object("recovery")
    #expect(try recovery.boolean("wasClosed"))
    #expect(try recovery.integer("damageCount") == 0)
    let text = try tool.run("info", store)
    #expect(text.errors == "")
    for name in ["keys", "capacity", "live", "dead", "free", "reserved", "segments", "lanes", "domain", "level"] {
      #expect(text.text.contains("\n\(name) "), "\(name) in \(text.text)")
    }
  }

  @Test func readingChangesNothing() throws {
    let store = try tool.makeStore()
    #expect(try tool.run("put", store, "k", "v").status == 0)
    let before = try Files.read(store)
    for command in ["dump", "info", "verify"] { #expect(try tool.run(command, store).status == 0) }
    for command in ["get", "exists"] { #expect(try tool.run(command, store, "k").status == 0) }
    #expect(try Files.read(store) == before)
  }

  @Test func verifySaysWhatItChecked() throws {
    let store = try tool.makeStore()
    #expect(try tool.run("put", store, "k", "v").status == 0)
    let report = try JSONReport(tool.run("verify", store, "--json"))
    #expect(try report.boolean("sound"))
    #expect(try report.integer("records") == 1)
    #expect(try report.integer("damageCount") == 0)
    #expect(try report.objects("damage").isEmpty)
    let text = try tool.run("verify", store)
    #expect(text.text.hasPrefix("\(store): sound; 1 record, "), "\(text.text)")
    #expect(text.errors == "")
  }

  // MARK: bench

  @Test(arguments: [(threads: 1, batch: 1), (threads: 2, batch: 1), (threads: 2, batch: 7)])
  func benchMeasuresEveryWorkload(threads: Int, batch: Int) throws {
    let path = tool.path("store")
    let outcome = try tool.run(
      "bench", path, "--create", "--records", "301", "--threads", "\(threads)", "--batch", "\(batch)", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(!Files.exists(path))
    let report = try JSONReport(outcome)
    #expect(try report.integer("records") == 301)
    #expect(try report.integer("threads") == threads)
    let workloads = try report.objects("workloads")
    #expect(try workloads.map { try $0.string("name") } == ["put", "get", "miss", "overwrite", "mixed", "delete"])
    for workload in workloads {
      #expect(try workload.integer("operations") == 301)
      #expect(try workload.number("seconds") > 0)
      #expect(try workload.number("nanosecondsPerOperation") > 0)
      let reads = try ["get", "miss"].contains(workload.string("name"))
      #expect(try (workload.integer("barriers") == 0) == reads)
      let latency = try workload.object("latencyNanoseconds")
      let times = try ["p50", "p99", "p999", "maximum"].map { try latency.integer($0) }
      #expect(times == times.sorted())
      #expect(try latency.integer("samples") > 0)
    }
  }

  @Test func benchOfAStoreLeavesItsEntries() throws {
    let store = try tool.makeStore()
    #expect(try tool.run("put", store, "k", "v").status == 0)
    let outcome = try tool.run("bench", store, "--records", "100", "--workloads", "overwrite,get")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.text.contains("\noverwrite "))
    #expect(try readEntries(of: store) == [[107]: [118]])
    #expect(try tool.run("bench", store, "--records", "100", "--workloads", "put", "--keep").status == 0)
    #expect(try readEntries(of: store).count == 101)
    #expect(try tool.run("bench", store, "--records", "100", "--workloads", "put,delete").status == 0)
    #expect(try readEntries(of: store) == [[107]: [118]])
  }

  @Test func benchKeepsItsStoreWhenAsked() throws {
    let path = tool.path("store")
    let arguments = ["bench", path, "--create", "--keep", "--records", "64", "--key-size", "20", "--value-size", "5"]
    #expect(try tool.run(arguments + ["--workloads", "put"]).status == 0)
    let entries = try readEntries(of: path)
    #expect(entries.count == 64)
    #expect(entries.keys.allSatisfy { $0.count == 20 && $0.starts(with: Array("kvbench:".utf8)) })
    #expect(entries.values.allSatisfy { $0.count == 5 })
    #expect(try tool.run(arguments).status == 73)
  }

  // MARK: Help

  @Test(arguments: [
    "create", "put", "get", "delete", "exists", "load", "dump", "info", "verify", "repair", "compact", "backup",
    "bench",
    "devices",
  ])
  func everyCommandHasHelp(command: String) throws {
    let outcome = try tool.run(command, "--help")
    #expect(outcome.status == 0)
    #expect(outcome.errors == "")
    #expect(outcome.text.contains("USAGE: kvcli \(command) "), "\(outcome.text)")
    #expect(try tool.run("help", command).text == outcome.text)
    #expect(try tool.run("--help").text.contains("\n  \(command) "))
  }

  @Test func versionAndCompletions() throws {
    let version = try tool.run("--version")
    #expect(version.status == 0)
    #expect(version.text.split(separator: ".").count == 3)
    for shell in ["bash", "zsh", "fish"] {
      let script = try tool.run("--generate-completion-script", shell)
      #expect(script.status == 0)
      #expect(script.text.contains("kvcli"))
    }
  }
}
