import Bytes

/// An enhanced status code (RFC 3463 §2): `class "." subject "." detail`, such as 5.1.1.
package struct EnhancedStatusCode: Hashable, Sendable {
  /// 2 success, 4 persistent transient failure, 5 permanent failure.
  package let statusClass: Int
  /// What the status is about: 1 address, 2 mailbox, 3 mail system, 4 network, 5 protocol,
  /// 6 content, 7 security or policy.
  package let subject: Int
  /// The condition within the subject.
  package let detail: Int

  /// A code of three numbers.
  package init(_ statusClass: Int, _ subject: Int, _ detail: Int) {
    self.statusClass = statusClass
    self.subject = subject
    self.detail = detail
  }

  /// The code that the text of a reply line begins with; nil where there is none, or where its
  /// class contradicts the reply code (RFC 2034 §4), as in a host name that looks like one.
  init?(leading line: String, replyCode: Int) {
    guard
      let word = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).first
    else { return nil }
    let numbers = word.split(separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 3, numbers[0].utf8.count == 1 else { return nil }
    var values: [Int] = []
    for number in numbers {
      guard (1...3).contains(number.utf8.count), number.utf8.allSatisfy(\.isASCIIDigit),
        let value = Int(number)
      else { return nil }
      values.append(value)
    }
    guard values[0] == replyCode / 100, [2, 4, 5].contains(values[0]) else { return nil }
    self.init(values[0], values[1], values[2])
  }
}

extension EnhancedStatusCode: CustomStringConvertible {
  /// The code with its dots.
  package var description: String { "\(statusClass).\(subject).\(detail)" }
}
