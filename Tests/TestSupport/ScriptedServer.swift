import Foundation
import Synchronization

/// A server that follows a script, however wrong, to play the faults that real ones have.
///
/// ```swift
/// let server = try ScriptedServer([
///   .send("* OK ready\r\n"),
///   .expect("LOGIN"),
///   .send("{tag} OK done\r\n"),   // {tag} is the first word of the line that was expected
///   .expect("FETCH"),
///   .send("* 1 FETCH (BODY[] {100}\r\nonly this"),
///   .close,
/// ])
/// connect(to: server.port)
/// ```
///
/// Each connection has a thread of its own. The last script serves every further connection.
package final class ScriptedServer: Sendable {
  /// One thing the server does.
  package enum Step: Sendable {
    /// Sends text; `{tag}` stands for the first word of the line expected last.
    case send(String)
    /// Sends bytes as they are.
    case sendBytes([UInt8])
    /// Sends the text again and again until the client goes away.
    case sendEndlessly(String)
    /// Reads until a whole line contains the text in any case, and drops all up to its end.
    case expect(String)
    /// Reads this many bytes and drops them.
    case skip(Int)
    /// Runs the steps below over and over until the client goes away.
    case loop([Step])
    /// Closes the connection in order.
    case close
    /// Closes the connection by a TCP reset.
    case reset
    /// Says nothing more, but reads, until the client goes away.
    case hang
  }

  /// Where the server listens.
  package let host = "127.0.0.1"
  /// The port that the kernel chose.
  package let port: UInt16

  private let listener: ThreadedListener
  /// What each connection's client sent, by the connection's number.
  private let received = Mutex<[Int: String]>([:])

  /// A server that runs `script` for each connection.
  package convenience init(_ script: [Step]) throws { try self.init(scripts: [script]) }

  /// A server whose first connection gets the first script, and so on.
  package init(scripts: [[Step]]) throws {
    listener = try ThreadedListener()
    port = listener.port
    listener.start { [weak self] descriptor, number in
      guard let script = number < scripts.count ? scripts[number] : scripts.last else { return }
      var connection = ScriptedConnection(descriptor: descriptor) { text in
        self?.received.withLock { $0[number, default: ""] += text }
      }
      connection.run(script)
    }
  }

  deinit { listener.stop() }

  /// What each connection's client sent, in the order of the connections.
  package var transcripts: [String] {
    let count = listener.connectionCount
    return received.withLock { received in (0..<count).map { received[$0] ?? "" } }
  }

  /// How many connections there were.
  package var connectionCount: Int { listener.connectionCount }

  /// Stops listening and cuts every connection.
  package func stop() { listener.stop() }
}

/// One connection of a scripted server, on a thread that may block.
struct ScriptedConnection {
  let descriptor: Int32
  let record: (String) -> Void
  private var buffer: [UInt8] = []
  private var tag = "*"

  init(descriptor: Int32, record: @escaping (String) -> Void) {
    self.descriptor = descriptor
    self.record = record
  }

  mutating func run(_ script: [ScriptedServer.Step]) {
    for step in script {
      guard perform(step) else { return }
    }
  }

  /// Whether the connection is still there for the next step.
  private mutating func perform(_ step: ScriptedServer.Step) -> Bool {
    switch step {
    case .send(let text):
      return write([UInt8](text.replacingOccurrences(of: "{tag}", with: tag).utf8))
    case .sendBytes(let bytes): return write(bytes)
    case .sendEndlessly(let text):
      while write([UInt8](text.utf8)) {}
      return false
    case .expect(let text): return expect(text)
    case .skip(let count):
      while buffer.count < count { guard read() else { return false } }
      buffer.removeFirst(count)
      return true
    case .loop(let steps):
      while true { for step in steps { guard perform(step) else { return false } } }
    case .close: return false
    case .reset:
      var option = linger(l_onoff: 1, l_linger: 0)
      unsafe setsockopt(
        descriptor,
        SOL_SOCKET,
        SO_LINGER,
        &option,
        socklen_t(MemoryLayout<linger>.size)
      )
      return false
    case .hang:
      while read() { buffer.removeAll() }
      return false
    }
  }

  private mutating func expect(_ text: String) -> Bool {
    while true {
      while let end = buffer.firstIndex(of: 0x0A) {
        let line = String(decoding: buffer[...end], as: UTF8.self)
        buffer.removeSubrange(...end)
        guard line.uppercased().contains(text.uppercased()) else { continue }
        tag = line.split(separator: " ").first.map(String.init) ?? "*"
        return true
      }
      guard read() else { return false }
    }
  }

  private mutating func read() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 16_384)
    let count = unsafe chunk.withUnsafeMutableBytes {
      unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
    }
    guard count > 0 else { return false }
    record(String(decoding: chunk[..<count], as: UTF8.self))
    buffer.append(contentsOf: chunk[..<count])
    return true
  }

  private func write(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe send(
          descriptor,
          $0.baseAddress.map { unsafe $0 + sent },
          bytes.count - sent,
          Int32(MSG_NOSIGNAL)
        )
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }
}
