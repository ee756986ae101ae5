import CRawLoops

/// The key of an entry, as `crl_key` writes it.
@inlinable public func key(of number: UInt64) -> InlineArray<2, UInt64> {
  [crl_mix(number), number]
}

/// The words of a value of `bytes` bytes, of which the first is to become the entry's number.
public func valueWords(bytes: Int) -> [UInt64] {
  Array(repeating: 0x5a5a_5a5a_5a5a_5a5a, count: (bytes + 7) / 8)
}
