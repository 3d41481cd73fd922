import ArgumentParser
import Bytes
import Foundation
import MIME

struct MessageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "message",
    abstract: "Works on message files.",
    subcommands: [Parse.self]
  )

  struct Parse: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints a message (RFC 5322) as the API's JSON."
    )

    @Argument(help: "The file; - reads standard input.")
    var file: String

    func run() throws {
      let json = MessageJSON.encode(MessageParser.parse(try InputFile.read(file)))
      FileHandle.standardOutput.write(Data(json + [0x0A]))
    }
  }
}
