import ArgumentParser
import BarKV

/// `kvcli dump`: writes every entry.
struct DumpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump",
    abstract: "Write every entry, one a line, in a form that load reads.",
    discussion: """
      Loading a dump gives the same entries, whatever bytes they have. Entries come in no particular order.

      tsv: key, tab, value. Backslash, tab, line feed and carriage return are written \\\\ \\t \\n \\r; other control \
      characters, and bytes that are not valid UTF-8, \\xHH.

      jsonl: {"key":"…","value":"…"}. What is not valid UTF-8 stands in Base64 under key_base64 or value_base64.

      --hex and --base64 write both columns so; in jsonl the members are then called key_hex and so on.

        kvcli dump old.kv | kvcli load new.kv
        kvcli dump --format jsonl cache.kv | jq -r .key
      """
  )

  @OptionGroup var target: StoreArgument

  @Option(help: "The text's form.")
  var format = EntryFormat.tsv

  @OptionGroup var text: EncodingOptions

  func run() throws {
    let writer = ByteWriter.standardOutput()
    try target.withStore(.readOnly) { store in
      try store.forEach { (key: RawSpan, value: RawSpan) throws -> Void in
        try unsafe key.withUnsafeBytes { key in
          try unsafe value.withUnsafeBytes { value in
            switch format {
            case .tsv: try unsafe TabSeparated.write(key: key, value: value, encoding: text.encoding, to: writer)
            case .jsonl: try unsafe JSONLines.write(key: key, value: value, encoding: text.encoding, to: writer)
            }
          }
        }
      }
      try writer.flush()
    }
  }
}
