import ArgumentParser
import Logging

struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Brings the database's schema up to date."
  )

  @OptionGroup var options: SettingsOptions

  func run() async throws {
    let wiring = try await Wiring(try options.settings(), logger: Logger(label: "restante"))
    do {
      let applied = try await wiring.migrate()
      print(applied.isEmpty ? "The schema is up to date." : "Applied: \(applied)")
    } catch {
      await wiring.close()
      throw error
    }
    await wiring.close()
  }
}
