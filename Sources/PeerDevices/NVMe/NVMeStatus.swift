/// Status codes of commands that callers tell apart (NVMe 2.1, 4.2.3).
public enum NVMeStatus {
  /// The status code type of errors about data and its integrity.
  public static let mediaError: UInt8 = 2
  /// Compare found a difference.
  public static let compareFailure: UInt8 = 0x85
}
