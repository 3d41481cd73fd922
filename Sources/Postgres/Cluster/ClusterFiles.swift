import Glibc

/// The few operations on files that running a server takes.
enum ClusterFiles {
  /// The text of a small file; nil where it cannot be read.
  static func read(_ path: String, limit: Int = 65_536) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit)
    var count = 0
    while count < limit {
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(descriptor, buffer.baseAddress.map { unsafe $0 + count }, limit - count)
      }
      if got <= 0 { break }
      count += got
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// The last lines of a log, on one line.
  static func tail(_ path: String) -> String {
    guard let descriptor = opened(path) else { return "" }
    defer { close(descriptor) }
    let end = lseek(descriptor, 0, SEEK_END)
    lseek(descriptor, max(0, end - 2000), SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: 2000)
    let count = unsafe Glibc.read(descriptor, &bytes, 2000)
    let text = String(decoding: bytes[..<max(0, count)], as: UTF8.self)
    return text.split(separator: "\n").suffix(6).joined(separator: " | ")
  }

  private static func opened(_ path: String) -> Int32? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : nil
  }

  /// What `lstat` says of a path; nil where there is nothing.
  static func status(_ path: String) -> stat? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status : nil
  }

  static func exists(_ path: String) -> Bool { status(path) != nil }

  /// The path with every link followed; nil where there is nothing.
  static func canonical(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  /// What a symbolic link points at; nil for anything else, and where we may not look.
  static func target(ofLink path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe buffer.withUnsafeMutableBytes { bytes -> Int in
      guard let start = bytes.baseAddress else { return -1 }
      return unsafe readlink(path, start.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
  }

  /// The names in a directory; none where it cannot be read.
  static func names(in directory: String) -> [String] {
    guard let handle = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(handle) }
    var names: [String] = []
    while let entry = unsafe readdir(handle) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Makes a directory that only `user` may enter; one that exists must be of that kind already.
  static func makePrivate(_ path: String, for user: ClusterUser) throws(EmbeddedClusterError) {
    if unsafe mkdir(path, 0o700) == 0 {
      let isOurs = unsafe user.isCurrent || chown(path, user.uid, user.gid) == 0
      guard isOurs else {
        throw .failed(step: "chown \(path)", output: "errno \(errno)")
      }
    } else if errno != EEXIST {
      throw .failed(step: "mkdir \(path)", output: "errno \(errno)")
    }
    guard let status = status(path), status.st_mode & S_IFMT == S_IFDIR,
      status.st_uid == user.uid, status.st_mode & 0o077 == 0
    else { throw .notPrivate(directory: path) }
  }

  /// Removes a directory tree, following no link.
  static func removeTree(_ path: String) {
    guard let status = status(path) else { return }
    if status.st_mode & S_IFMT == S_IFDIR {
      for name in names(in: path) { removeTree("\(path)/\(name)") }
      unsafe rmdir(path)
    } else {
      unsafe unlink(path)
    }
  }
}
