import Foundation

/// What the command line names to be read as a whole: a file, a pipe, or `-` for standard input.
enum InputFile {
  private static let piece = 256 << 10

  /// All bytes of it; throws why it cannot be read, in the system's words.
  static func read(_ path: String) throws -> [UInt8] {
    guard path != "-" else { return try read(STDIN_FILENO, of: path) }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, errno: errno) }
    defer { close(descriptor) }
    return try read(descriptor, of: path)
  }

  /// A pipe has no size, and neither has what /proc makes up: it is read until it ends.
  private static func read(_ descriptor: Int32, of path: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: piece)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { buffer in
        unsafe Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      }
      if count == 0 { return bytes }
      if count > 0 {
        bytes += buffer[..<count]
      } else if errno != EINTR {
        throw FileError(path: path, errno: errno)
      }
    }
  }
}
