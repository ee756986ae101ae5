import ArgumentParser
import BarKV

/// `kvcli delete`: removes one entry.
struct DeleteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Remove a key and its value.",
    discussion: """
      The removal is durable when the command ends with status 0. Ends with status 1 where the key is absent. A full \
      store still deletes.
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var name: KeyArgument

  @OptionGroup var text: EncodingOptions

  func validate() throws {
    _ = try text.bytes(of: name.key, called: "key")
  }

  func run() throws {
    let key = try text.bytes(of: name.key, called: "key")
    guard try target.withStore(.readWrite, { try $0.delete(key) }) else { throw Failure.absent(key) }
  }
}
