import Bytes
import Foundation
import Sieve

/// What a script would do, as `restante sieve run` prints it.
enum OutcomeJSON {
  static func write(_ outcome: ScriptOutcome) {
    FileHandle.standardOutput.write(Data(encode(outcome) + [0x0A]))
  }

  static func encode(_ outcome: ScriptOutcome) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("actions")
    json.beginArray()
    var edits = outcome.edits[...]
    for (index, action) in outcome.actions.enumerated() {
      while let edit = edits.first, edit.actionsBefore <= index {
        write(edit, to: &json)
        edits.removeFirst()
      }
      json.beginObject()
      write(action, to: &json)
      json.endObject()
    }
    for edit in edits { write(edit, to: &json) }
    json.endArray()
    json.key("implicitKeep")
    json.bool(outcome.isImplicitlyKept)
    if outcome.isImplicitlyKept {
      json.key("implicitKeepFlags")
      write(outcome.implicitKeep.flags, to: &json)
    }
    json.key("error")
    json.string(outcome.error?.description)
    json.endObject()
    return json.finish()
  }

  private static func write(_ edit: ScriptEdit, to json: inout JSONWriter) {
    json.beginObject()
    json.key("type")
    if case .added(let isLast) = edit.kind {
      json.string("addheader")
      json.key("last")
      json.bool(isLast)
    } else {
      json.string("deleteheader")
    }
    json.key("name")
    json.string(edit.name)
    json.key("value")
    json.string(edit.value)
    json.endObject()
  }

  private static func write(_ action: ScriptAction, to json: inout JSONWriter) {
    json.key("type")
    switch action {
    case .keep(let delivery):
      json.string("keep")
      write(delivery, to: &json)
    case .fileInto(let mailbox, let delivery):
      json.string("fileinto")
      json.key("mailbox")
      json.string(mailbox)
      write(delivery, to: &json)
    case .discard: json.string("discard")
    case .redirect(let redirect): write(redirect, to: &json)
    case .reject(let reason, let isDuringDelivery):
      json.string(isDuringDelivery ? "ereject" : "reject")
      json.key("reason")
      json.string(reason)
    case .vacation(let vacation): write(vacation, to: &json)
    case .notify(let notification): write(notification, to: &json)
    }
  }

  private static func write(_ delivery: ScriptDelivery, to json: inout JSONWriter) {
    json.key("flags")
    write(delivery.flags, to: &json)
    if delivery.createsMailbox {
      json.key("create")
      json.bool(true)
    }
    write(delivery.specialUse, as: "specialUse", to: &json)
    write(delivery.mailboxID, as: "mailboxId", to: &json)
    write(delivery.message?.text, as: "message", to: &json)
  }

  private static func write(_ redirect: ScriptRedirect, to json: inout JSONWriter) {
    json.string("redirect")
    json.key("address")
    json.string(redirect.address)
    if redirect.isList {
      json.key("list")
      json.bool(true)
    }
    write(redirect.dsnNotify, as: "notify", to: &json)
    write(redirect.dsnReturn, as: "ret", to: &json)
    write(redirect.message?.text, as: "message", to: &json)
  }

  private static func write(_ vacation: ScriptVacation, to json: inout JSONWriter) {
    json.string("vacation")
    json.key("reason")
    json.string(vacation.reason)
    json.key("subject")
    json.string(vacation.subject)
    write(vacation.from, as: "from", to: &json)
    json.key("seconds")
    json.int(Int(vacation.seconds))
    json.key("mime")
    json.bool(vacation.isMIME)
    write(vacation.fcc, to: &json)
    // Why no reply would be sent all the same.
    json.key("suppressed")
    json.string(vacation.suppression?.rawValue)
  }

  private static func write(_ notification: ScriptNotification, to json: inout JSONWriter) {
    json.string("notify")
    json.key("method")
    json.string(notification.method)
    write(notification.from, as: "from", to: &json)
    json.key("importance")
    json.int(notification.importance)
    json.key("options")
    write(notification.options, to: &json)
    write(notification.message, as: "message", to: &json)
    write(notification.fcc, to: &json)
  }

  private static func write(_ copy: ScriptFiledCopy?, to json: inout JSONWriter) {
    guard let copy else { return }
    json.key("fcc")
    json.beginObject()
    json.key("mailbox")
    json.string(copy.mailbox)
    write(copy.delivery, to: &json)
    json.endObject()
  }

  private static func write(_ text: String?, as key: StaticString, to json: inout JSONWriter) {
    guard let text else { return }
    json.key(key)
    json.string(text)
  }

  private static func write(_ texts: [String], to json: inout JSONWriter) {
    json.beginArray()
    for text in texts { json.string(text) }
    json.endArray()
  }
}

extension [UInt8] {
  /// The bytes as text, ill-formed UTF-8 repaired.
  fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
