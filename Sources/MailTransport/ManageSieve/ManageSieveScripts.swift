import MailProtocols
package import Net

/// A script as LISTSCRIPTS tells of it.
package struct ListedScript: Hashable, Sendable {
  package var name: String
  package var isActive: Bool

  package init(name: String, isActive: Bool) {
    self.name = name
    self.isActive = isActive
  }
}

extension ManageSieveClient {
  /// The scripts, in the server's order.
  package func listScripts(
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) -> [ListedScript] {
    try await perform(.listScripts, deadline: deadline).lines.compactMap { line in
      line.first?.text.map { name in
        let isActive = line.dropFirst().contains { token in
          if case .atom(let word) = token { word.uppercased() == "ACTIVE" } else { false }
        }
        return ListedScript(name: name, isActive: isActive)
      }
    }
  }

  /// The contents of a script.
  package func script(
    _ name: String,
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) -> [UInt8] {
    let answer = try await perform(
      checked { () throws(ManageSieveInputError) in try .getScript(name) },
      deadline: deadline
    )
    guard case .string(let script)? = answer.lines.first?.first else {
      throw fail(.broken(reason: "GETSCRIPT is answered without a script"))
    }
    return script
  }

  /// Whether a script of `size` bytes could be stored; what speaks against it is thrown.
  package func haveSpace(
    _ name: String,
    size: Int,
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) {
    try await perform(
      checked { () throws(ManageSieveInputError) in try .haveSpace(name, size: size) },
      deadline: deadline
    )
  }

  /// Has the server look at a script; what it warns of, nil for nothing.
  ///
  /// What is wrong with the script is thrown.
  @discardableResult
  package func checkScript(
    _ script: [UInt8],
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) -> String? {
    warning(
      try await perform(
        checked { () throws(ManageSieveInputError) in
          try .checkScript(script, limits: session.limits)
        },
        deadline: deadline
      )
    )
  }

  /// Stores a script, in the place of one of the same name; what the server warns of, nil for nothing.
  @discardableResult
  package func putScript(
    _ name: String,
    _ script: [UInt8],
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) -> String? {
    warning(
      try await perform(
        checked { () throws(ManageSieveInputError) in
          try .putScript(name, script, limits: session.limits)
        },
        deadline: deadline
      )
    )
  }

  /// Makes a script the active one; nil leaves none active.
  package func setActive(
    _ name: String?,
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) {
    try await perform(
      checked { () throws(ManageSieveInputError) in try .setActive(name) },
      deadline: deadline
    )
  }

  /// Deletes a script that is not the active one.
  package func deleteScript(
    _ name: String,
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) {
    try await perform(
      checked { () throws(ManageSieveInputError) in try .deleteScript(name) },
      deadline: deadline
    )
  }

  /// Gives a script another name.
  package func renameScript(
    _ name: String,
    to other: String,
    deadline: Deadline? = nil
  ) async throws(ManageSieveError) {
    try await perform(
      checked { () throws(ManageSieveInputError) in try .renameScript(name, to: other) },
      deadline: deadline
    )
  }

  /// Keeps the session alive.
  package func noop(deadline: Deadline? = nil) async throws(ManageSieveError) {
    try await perform(.noop, deadline: deadline)
  }

  private func checked(
    _ command: () throws(ManageSieveInputError) -> ManageSieveCommand
  ) throws(ManageSieveError) -> ManageSieveCommand {
    do throws(ManageSieveInputError) {
      return try command()
    } catch {
      throw .invalid(error)
    }
  }

  private func warning(_ answer: ManageSieveAnswer) -> String? {
    answer.code?.isKind(of: "WARNINGS") == true ? answer.text : nil
  }
}
