import ArgumentParser

@main
struct Restante: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restante", abstract: "Mailboxes as JSON resources over HTTP.")
}
