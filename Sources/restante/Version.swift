import ArgumentParser

/// Which program this is.
enum Version {
  static let text = "0.1.0"
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version",
    abstract: "Prints the version."
  )

  func run() { print("restante \(Version.text)") }
}
