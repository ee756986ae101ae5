extension Maintenance {
  func dumpState(_ what: String) {
    turn.withLock { state in
      print("DBG \(what): free \(log.space.freeCount) put \(log.space.left(by: .put)) delete \(log.space.left(by: .delete)) copy \(log.space.left(by: .copy)) keys \(log.keyCount) unresolved \(log.unresolvedKeys.load(ordering: .relaxed)) segs \(geometry.segmentCount) lanes \(log.laneCount) reclines \(geometry.recordLinesPerSegment) leaving \(state.leaving.count) base \(state.base.map(\.entryCount)) deltas \(state.deltas.map(\.entryCount)) stuck \(state.stuck) exhausted \(state.exhausted == nil) runroom")
      for segment in 0..<geometry.segmentCount where log.segments.kind(segment) != .free {
        print("  \(segment) \(log.segments.kind(segment)) used \(log.segments.used(segment)) dead \(log.segments.dead(segment)) pend \(log.segments.hasPending(segment))")
      }
      for lane in log.allLanes { print("  lane \(lane) seg \(unsafe log[lane].pointee.segment) room \(unsafe log[lane].pointee.room) ext \(unsafe log[lane].pointee.extentSegment)") }
    }
  }
}
