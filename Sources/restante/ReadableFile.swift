import Foundation

/// Files that a setting names, and of which the libraries that read them say little.
enum ReadableFile {
  /// Says in a sentence why a file cannot be read, if it cannot.
  static func check(_ path: String) throws {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, errno) }
    defer { close(descriptor) }
    var byte: UInt8 = 0
    guard unsafe read(descriptor, &byte, 1) >= 0 else { throw failure(path, errno) }
  }

  private static func failure(_ path: String, _ number: Int32) -> StartError {
    switch number {
    case ENOENT, ENOTDIR: return StartError("There is no file \(path).")
    case EACCES: return StartError("\(path) cannot be read: permission denied.")
    default:
      let reason = unsafe String(cString: strerror(number))
      return StartError("\(path) cannot be read: \(reason).")
    }
  }
}
