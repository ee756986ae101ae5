@testable import BarKV

/// Opens an edited image and uses it. libFuzzer calls this with inputs that it makes: those that reach new code are kept
/// and changed further. See ``EditList`` for what the bytes mean, and ``ImageExercise`` for what is judged.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
  var exercise = ImageExercise(EditList(input), trustsChecksums: false)
  do {
    _ = try exercise.run()
  } catch {
    // libFuzzer writes the input to a file.
    fatalError("\(error)")
  }
  return 0
}
