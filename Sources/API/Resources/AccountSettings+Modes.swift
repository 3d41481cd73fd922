import Bytes
import Engine
import Model

// Where the mail of an account is kept, and how long what was downloaded stays on its server.

extension AccountSettings {
  /// A POP3 account has all of its mail here: its usual mode says so.
  static func defaultMode(_ incoming: BackendSettings?) -> AccountMode {
    incoming?.kind == .pop3 ? .disconnected : .online
  }

  /// What is wrong with a mode and what an account is to do with the mail on its server.
  static func check(_ mode: AccountMode, _ incoming: Side, _ faults: Faults) {
    if mode == .online, incoming.settings.kind == .pop3 {
      faults.addValue(
        "/mode",
        .unsupported,
        "By POP3 all mail is kept here: disconnected or offline."
      )
    }
    if mode != .online, incoming.settings.kind == .local {
      faults.addValue(
        "/mode",
        .unsupported,
        "There is no server whose mail could be copied: online."
      )
    }
    guard mode != .offline else { return }
    let settings = incoming.settings
    if let time = settings.leaveOnServer, time != .forever {
      faults.addValue("/incoming/leaveOnServer", .conflict, "Only with mode offline.")
    }
    if settings.deleteWhenRemoved {
      faults.addValue("/incoming/deleteWhenRemoved", .conflict, "Only with mode offline.")
    }
  }

  /// The same for a patch; what it does not name may stand, without effect, in another mode.
  static func checkMode(of patch: AccountPatch, _ account: Account, _ faults: Faults) {
    if account.incoming.kind == .local, patch.mode == nil { return }
    let mode = patch.mode ?? account.mode
    var settings = patch.incoming ?? account.incoming
    if settings.leaveOnServer == account.incoming.leaveOnServer { settings.leaveOnServer = nil }
    if account.incoming.deleteWhenRemoved { settings.deleteWhenRemoved = false }
    check(mode, Side(settings: settings), faults)
  }

  /// How long mail stays on a server once it is here.
  static func readRetention(
    _ object: inout ObjectDecoder,
    _ old: BackendSettings?,
    into settings: inout BackendSettings
  ) {
    switch object.change("leaveOnServer", { time(&$0) }) {
    case .unchanged: settings.leaveOnServer = old?.leaveOnServer
    case .cleared: settings.leaveOnServer = nil
    case .set(let time): settings.leaveOnServer = time
    }
    settings.deleteWhenRemoved =
      object.bool("deleteWhenRemoved") ?? old?.deleteWhenRemoved ?? false
  }

  /// More than a thousand years are for ever.
  private static let longestDays: Int64 = 365_000

  private static func time(_ object: inout ObjectDecoder) -> ServerRetention.Time? {
    let pointer = object.pointer(to: "leaveOnServer")
    switch object.value("leaveOnServer") {
    case .bool(let leaves): return leaves ? .forever : .notAtAll
    case .object(let members):
      var days = ObjectDecoder(.object(members), at: pointer, faults: object.faults)
      let count = days.int("days", .required, in: 1...longestDays)
      days.finish()
      return count.map { .days(Int($0)) }
    default:
      object.faults.add(pointer, .type, #"true, false or { "days": … } is wanted."#)
      return nil
    }
  }
}
