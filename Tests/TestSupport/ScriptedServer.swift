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

  private struct State {
    var transcripts: [String] = []
    var descriptors: Set<Int32> = []
    var isStopped = false
  }

  private let listener: Int32
  private let scripts: [[Step]]
  private let state = Mutex(State())

  /// A server that runs `script` for each connection.
  package convenience init(_ script: [Step]) throws { try self.init(scripts: [script]) }

  /// A server whose first connection gets the first script, and so on.
  package init(scripts: [[Step]]) throws {
    self.scripts = scripts
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard listener >= 0,
      unsafe LoopbackAddress.withAddress(0, { [listener] in unsafe bind(listener, $0, $1) }) == 0,
      listen(listener, 64) == 0
    else { throw TestSupportError.failed("no listening socket: errno \(errno)") }
    port = Self.port(of: listener)
    Thread.detachNewThread { [weak self, listener] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        guard let self, self.admit(descriptor) else {
          Glibc.close(descriptor)
          return
        }
      }
    }
  }

  deinit { stop() }

  /// What each connection's client sent, in the order of the connections.
  package var transcripts: [String] { state.withLock { $0.transcripts } }

  /// How many connections there were.
  package var connectionCount: Int { state.withLock { $0.transcripts.count } }

  /// Stops listening and cuts every connection.
  package func stop() {
    state.withLock { state in
      guard !state.isStopped else { return }
      state.isStopped = true
      shutdown(listener, Int32(SHUT_RDWR))
      Glibc.close(listener)
      for descriptor in state.descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  private func admit(_ descriptor: Int32) -> Bool {
    let number = state.withLock { state -> Int? in
      guard !state.isStopped else { return nil }
      state.descriptors.insert(descriptor)
      state.transcripts.append("")
      return state.transcripts.count - 1
    }
    guard let number, let last = scripts.last else { return false }
    let script = number < scripts.count ? scripts[number] : last
    Thread.detachNewThread { [weak self] in
      var connection = ScriptedConnection(descriptor: descriptor) { text in
        self?.state.withLock { $0.transcripts[number] += text }
      }
      connection.run(script)
      // Under the lock, so that `stop()` never touches a descriptor that is somebody else's by then.
      guard let self else { return _ = Glibc.close(descriptor) }
      self.state.withLock { state in
        state.descriptors.remove(descriptor)
        Glibc.close(descriptor)
      }
    }
    return true
  }

  private static func port(of descriptor: Int32) -> UInt16 {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
      _ = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &size)
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }
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
