import Model
import Sieve

/// Where a script puts a message, and what the message is and carries there.
///
/// A script may change the message between two deliveries (RFC 5293, RFC 5703): then there are several versions of it. One is
/// the message that is stored already, under its id; the others become messages of their own.
struct ScriptPlaces {
  /// The message as it was at some of its deliveries.
  struct Version {
    /// As the script had changed it; nil as it came.
    let message: [UInt8]?
    /// Whether it stays where new mail goes.
    var isKept = false
    var targets: [ID<Mailbox>] = []
    var keywords: Set<String> = []
  }

  private(set) var versions: [Version] = []
  /// Whether what the script changed counts; where it does not, all deliveries are of the message as it came.
  let allowsChanges: Bool
  var isDiscarded = false

  init(allowsChanges: Bool) { self.allowsChanges = allowsChanges }

  /// Keeps the message as it is at this delivery.
  mutating func keep(_ delivery: ScriptDelivery) {
    let place = version(of: delivery)
    versions[place].isKept = true
  }

  /// Puts the message as it is at this delivery into a mailbox.
  mutating func file(_ delivery: ScriptDelivery, into target: ID<Mailbox>) {
    let place = version(of: delivery)
    if !versions[place].targets.contains(target) { versions[place].targets.append(target) }
  }

  /// The version that the stored message becomes: the one that is kept, or the last; nil where there is none.
  var main: Int? {
    versions.lastIndex(where: \.isKept) ?? versions.indices.last
  }

  private mutating func version(of delivery: ScriptDelivery) -> Int {
    let message = allowsChanges ? delivery.message : nil
    let place: Int
    if let known = versions.firstIndex(where: { $0.message == message }) {
      place = known
    } else {
      place = versions.count
      versions.append(Version(message: message))
    }
    // RFC 5232: a message carries the flags of its delivery; its copies here are one message.
    versions[place].keywords.formUnion(delivery.flags.map(\.keyword))
    return place
  }
}

extension ScriptOutcome {
  /// The places of the actions that deliver the message as the script changed it; behind them all is the implicit keep.
  var changedPlaces: [Int] {
    var places = actions.indices.filter { actions[$0].delivery?.message != nil }
    if isImplicitlyKept, implicitKeep.message != nil { places.append(actions.count) }
    return places
  }
}

extension ScriptAction {
  /// How it delivers the message, where it does.
  var delivery: ScriptDelivery? {
    switch self {
    case .keep(let delivery), .fileInto(_, let delivery): delivery
    case .discard, .redirect, .reject, .vacation, .notify: nil
    }
  }

  /// Whether the message goes elsewhere by it, and not here.
  var isRouting: Bool {
    switch self {
    case .redirect, .reject: true
    case .keep, .fileInto, .discard, .vacation, .notify: false
    }
  }
}

extension String {
  /// The keyword of JMAP that a flag of IMAP is (RFC 8621 §4.1.1).
  var keyword: String {
    hasPrefix("\\") ? "$\(dropFirst().lowercased())" : lowercased()
  }
}
