import Foundation

/// One connection of a small POP3 server, on a thread that may block.
struct SmallPOP3Session {
  private let server: SmallPOP3Server
  private let descriptor: Int32
  private let salt = UInt32.random(in: .min ... .max)
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  /// Who has proven to be who, before the greeting.
  private var ticketOwner: String?
  private var username: String?
  private var messages: [SmallPOP3Server.Message]?
  private var deleted: Set<Int> = []
  /// What was retrieved, where that deletes.
  private var expired: Set<Int> = []
  private var retrieved = 0
  private var isOver = false

  init(server: SmallPOP3Server, descriptor: Int32) {
    self.server = server
    self.descriptor = descriptor
  }

  mutating func run() {
    if case .kpop(let realm) = server.login {
      guard let owner = KPOPFront.client(on: descriptor, of: realm) else { return }
      ticketOwner = owner
    }
    ok("ready")
    flush()
    while !isOver, let line = line() {
      server.note(line)
      let words = line.split(separator: " ").map(String.init)
      answer(words.first?.uppercased() ?? "", Array(words.dropFirst()), line)
      // What was sent ahead is answered by one write.
      if isOver || !input.contains(0x0A) { flush() }
    }
    if messages != nil { server.close(deleting: []) }
  }

  private mutating func answer(_ verb: String, _ arguments: [String], _ line: String) {
    switch verb {
    case "CAPA" where !has(.noCapabilities): list(["USER"] + capabilities)
    case "QUIT": quit()
    case "USER" where messages == nil:
      username = arguments.first
      ok()
    case "PASS" where messages == nil: logIn(verb, String(line.dropFirst(5)))
    case "RPOP" where messages == nil: logIn(verb, arguments.first ?? "")
    default:
      guard let messages else { return err("log in first") }
      answer(verb, arguments, messages)
    }
  }

  private var capabilities: [String] {
    (has(.noUniqueIDs) ? [] : ["UIDL"]) + (has(.noTop) ? [] : ["TOP"])
      + (has(.pipelining) ? ["PIPELINING"] : []) + ["RESP-CODES"]
      + (has(.expiresAtOnce) ? ["EXPIRE 0"] : [])
      + (server.loginDelay.map { ["LOGIN-DELAY \($0.components.seconds)"] } ?? [])
  }

  private mutating func logIn(_ verb: String, _ proof: String) {
    let isProven =
      switch server.login {
      case .password: verb == "PASS" && username == server.user && proof == server.password
      case .rpop(let trusted):
        verb == "RPOP" && username == server.user && trusted.contains(proof) && isPortReserved
      case .kpop:
        verb == "PASS" && username == server.user
          && ticketOwner == "\(server.user)@\(KerberosRealm.name)"
      }
    guard isProven else { return err("[AUTH] no") }
    switch server.open() {
    case .success(let found):
      messages = found
      ok()
    case .failure(let refusal): err(refusal.text)
    }
  }

  private var isPortReserved: Bool {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getpeername(descriptor, $0, &size)
      }
    }
    return status == 0 && UInt16(bigEndian: address.sin_port) < 1024
  }

  // MARK: - In the mailbox

  private mutating func answer(
    _ verb: String,
    _ arguments: [String],
    _ messages: [SmallPOP3Server.Message]
  ) {
    let present = messages.indices.filter { !deleted.contains($0) }
    let number = arguments.first.flatMap { Int($0) }.map { $0 - 1 }
    if let number, !present.contains(number) { return err("no such message") }
    if let text = server.refusal(of: verb) { return err(text) }
    switch (verb, number) {
    case ("STAT", nil): ok("\(present.count) \(present.map(size).reduce(0, +))")
    case ("LIST", let number?): ok("\(number + 1) \(size(number))")
    case ("LIST", nil): list(present.map { "\($0 + 1) \(size($0))" }, isListing: true)
    case ("UIDL", let number?) where !has(.noUniqueIDs): ok("\(number + 1) \(uniqueID(number))")
    case ("UIDL", nil) where !has(.noUniqueIDs):
      list(present.map { "\($0 + 1) \(uniqueID($0))" }, isListing: true)
    case ("RETR", let number?):
      if has(.expiresAtOnce) { expired.insert(number) }
      retrieve(messages[number].bytes)
    case ("TOP", let number?) where !has(.noTop):
      text(Self.top(messages[number].bytes, lines: arguments.dropFirst().first.flatMap(Int.init)))
    case ("DELE", let number?):
      deleted.insert(number)
      ok()
    case ("NOOP", nil): ok()
    case ("RSET", nil):
      deleted = []
      ok()
    default: err("what?")
    }
  }

  private func size(_ number: Int) -> Int {
    let count = messages?[number].bytes.count ?? 0
    return has(.wrongOctetCounts) ? count / 3 : count
  }

  private func uniqueID(_ number: Int) -> String {
    if has(.repeatedUniqueIDs) { return "same" }
    let id = messages?[number].uniqueID ?? ""
    return has(.changingUniqueIDs) ? "\(salt)-\(id)" : id
  }

  private mutating func retrieve(_ bytes: [UInt8]) {
    guard !has(.oneMessageASession) || retrieved == 0 else {
      return err("one message a session")
    }
    retrieved += 1
    let count = server.countRetrieval()
    if has(.statusFields) {
      return text(Array("Status: \(count == 0 ? "N" : "RO")\r\nX-UID: \(count)\r\n".utf8) + bytes)
    }
    guard has(.cutSecondMessage), retrieved == 2 else { return text(bytes) }
    text(Array(bytes.prefix(bytes.count / 2)), isCut: true)
  }

  private mutating func quit() {
    isOver = true
    if has(.brokenQuit) { return }
    if let text = server.refusal(of: "QUIT") {
      deleted = []
      err(text)
    } else if !has(.lostQuit) {
      ok("bye")
    }
    guard let messages else { return }
    server.close(deleting: Set(deleted.union(expired).map { messages[$0].uniqueID }))
    self.messages = nil
  }

  private static func top(_ bytes: [UInt8], lines: Int?) -> [UInt8] {
    let all = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    let blank = all.firstIndex { $0.isEmpty || $0 == [0x0D] } ?? all.count - 1
    let wanted = all.prefix(blank + 1 + (lines ?? 0))
    return Array(wanted.joined(separator: [0x0A])) + (wanted.count < all.count ? [0x0A] : [])
  }

  // MARK: - Words

  private func has(_ quirk: SmallPOP3Server.Quirk) -> Bool { server.quirks.contains(quirk) }

  private mutating func ok(_ text: String = "") { say("+OK", text) }

  private mutating func err(_ text: String) { say("-ERR", text) }

  private mutating func say(_ status: String, _ text: String) {
    // STAT, LIST n and UIDL n say something that is no text for people.
    let isBare = has(.bareReplies) && text.first?.isNumber != true
    output += Array((isBare || text.isEmpty ? "\(status)\r\n" : "\(status) \(text)\r\n").utf8)
  }

  private mutating func list(_ lines: [String], isListing: Bool = false) {
    ok("here")
    for line in lines { output += Array("\(line)\r\n".utf8) }
    if !isListing || !has(.noListingDots) { output += Array(".\r\n".utf8) }
  }

  private mutating func text(_ bytes: [UInt8], isCut: Bool = false) {
    ok("here")
    var isAtLineStart = true
    for byte in bytes {
      if isAtLineStart, byte == 0x2E { output.append(0x2E) }
      output.append(byte)
      isAtLineStart = byte == 0x0A
    }
    if isCut {
      isOver = true
      return
    }
    if !isAtLineStart { output += [0x0D, 0x0A] }
    guard has(.noTextDots) else { return output += Array(".\r\n".utf8) }
    isOver = true
  }

  // MARK: - The wire

  private mutating func line() -> String? {
    while true {
      if let end = input.firstIndex(of: 0x0A) {
        let line = input[..<end].filter { $0 != 0x0D }
        input.removeSubrange(...end)
        return String(decoding: line, as: UTF8.self)
      }
      var chunk = [UInt8](repeating: 0, count: 16_384)
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
      }
      guard count > 0 else { return nil }
      input += chunk[..<count]
    }
  }

  private mutating func flush() {
    var sent = 0
    while sent < output.count {
      let count = unsafe output.withUnsafeBytes {
        unsafe send(
          descriptor,
          $0.baseAddress.map { unsafe $0 + sent },
          output.count - sent,
          Int32(MSG_NOSIGNAL)
        )
      }
      guard count > 0 else {
        isOver = true
        break
      }
      sent += count
    }
    output = []
  }
}
