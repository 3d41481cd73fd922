extension FetchedMessage {
  /// Each message once, in the order of its first response.
  ///
  /// Leniency `messageInParts`: a server may tell of a message in several FETCH responses, or twice the same (RFC 3501 §7.4.2 does not
  /// forbid it).
  package static func joined(_ messages: [FetchedMessage]) -> [FetchedMessage] {
    // Nearly always they rise or fall: then each is there once.
    let pairs = zip(messages, messages.dropFirst())
    func isOrdered(_ precedes: (UID, UID) -> Bool) -> Bool {
      pairs.allSatisfy { first, second in
        guard let first = first.uid, let second = second.uid else { return false }
        return precedes(first, second)
      }
    }
    guard !isOrdered(<), !isOrdered(>) else { return messages }
    var places: [UID: Int] = [:]
    var joined: [FetchedMessage] = []
    for message in messages {
      if let uid = message.uid, let place = places[uid] {
        joined[place].add(message)
      } else {
        if let uid = message.uid { places[uid] = joined.count }
        joined.append(message)
      }
    }
    return joined
  }

  /// Adds what a later response says of the same message: what changes as it is now, all else where nothing is known.
  private mutating func add(_ later: FetchedMessage) {
    flags = later.flags ?? flags
    modSeq = later.modSeq ?? modSeq
    labels = later.labels ?? labels
    internalDate = internalDate ?? later.internalDate
    size = size ?? later.size
    envelope = envelope ?? later.envelope
    bodyStructure = bodyStructure ?? later.bodyStructure
    emailID = emailID ?? later.emailID
    threadID = threadID ?? later.threadID
    saveDate = saveDate ?? later.saveDate
    preview = preview ?? later.preview
    for section in later.sections {
      let place = sections.firstIndex {
        $0.name == section.name && $0.isBinary == section.isBinary && $0.origin == section.origin
      }
      if let place {
        if sections[place].content == .absent { sections[place] = section }
      } else {
        sections.append(section)
      }
    }
    malformedItems += later.malformedItems.filter { !malformedItems.contains($0) }
    malformedItems.removeAll { item in
      item == .envelope && envelope != nil || item == .bodyStructure && bodyStructure != nil
        || item == .internalDate && internalDate != nil
    }
  }
}
