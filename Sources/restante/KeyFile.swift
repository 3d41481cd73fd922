import ArgumentParser
import Bytes
import Crypto
import Foundation

/// The file with the key that seals secrets: 64 hexadecimal digits, readable by its owner alone.
enum KeyFile {
  /// Reads the key, or makes one where there is no file.
  static func load(_ path: String) throws -> SecretKey {
    if let text = try PrivateFile.read(path) {
      let digits = text.trimmingCharacters(in: .whitespacesAndNewlines)
      guard let bytes = Hex.decode([UInt8](digits.utf8).span) else {
        throw ValidationError("\(path) must hold 64 hexadecimal digits.")
      }
      return try SecretKey(bytes: bytes)
    }
    let bytes = try Random.bytes(SecretKey.byteCount)
    try PrivateFile.write(Hex.encode(bytes.span) + "\n", to: path)
    return try SecretKey(bytes: bytes)
  }
}

/// Small files that only their owner may read.
enum PrivateFile {
  /// The file's text; nil where there is none.
  static func read(_ path: String) throws -> String? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try String(contentsOfFile: path, encoding: .utf8)
  }

  /// Writes a file of mode 600, whole or not at all.
  static func write(_ text: String, to path: String) throws {
    let temporary = path + ".new"
    _ = unsafe unlink(temporary)
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(path: path, errno: errno) }
    defer { close(descriptor) }
    let bytes = [UInt8](text.utf8)
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Foundation.write(descriptor, $0.baseAddress, $0.count)
    }
    guard count == bytes.count, fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
      throw FileError(path: path, errno: errno)
    }
  }
}

/// A file that could not be written.
struct FileError: Error, CustomStringConvertible {
  let path: String
  let errno: Int32

  var description: String { unsafe "\(path): \(String(cString: strerror(errno)))" }
}
