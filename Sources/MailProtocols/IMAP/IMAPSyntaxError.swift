/// A response does not follow the grammar.
package struct IMAPSyntaxError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The production, or the sign, that was expected.
  package let expected: String
  /// The offset in the response where it was expected.
  package let position: Int

  package var description: String { "expected \(expected) at byte \(position) of the response" }
}
