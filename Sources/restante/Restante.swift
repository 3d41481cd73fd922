import ArgumentParser

@main
struct Restante: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restante",
    abstract: "Mailboxes as JSON resources over HTTP.",
    version: Version.text,
    subcommands: [
      ServeCommand.self, TokenCommand.self, MigrateCommand.self, MessageCommand.self,
      SieveCommand.self, ImportCommand.self, ExportCommand.self,
      VersionCommand.self,
    ]
  )
}
