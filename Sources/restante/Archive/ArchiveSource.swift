import Archives
import Foundation

/// An archive on this machine, read piece by piece from any byte on.
protocol ArchiveSource {
  /// How many bytes it has, where that is known.
  var size: Int64? { get }
  /// Whether it can be read again.
  var isRepeatable: Bool { get }
  /// Goes to a byte.
  mutating func seek(to offset: Int64) throws
  /// The next bytes; nil at the end.
  mutating func next() throws -> [UInt8]?
}

/// What the command line names as an archive: a file, `-` for standard input, or the folder of a Maildir.
enum ArchiveSources {
  static func open(_ path: String, _ format: ArchiveFormat) throws -> any ArchiveSource {
    if path == "-" { return FileSource(FileHandle.standardInput, size: nil) }
    var isFolder: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw StartError("There is no file \(path).")
    }
    if isFolder.boolValue {
      guard format == .maildir else { throw StartError("\(path) is a folder, and no file.") }
      return try MaildirSource(path)
    }
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw StartError("\(path) cannot be read.")
    }
    let size = try handle.seekToEnd()
    try handle.seek(toOffset: 0)
    return FileSource(handle, size: Int64(size))
  }
}

/// A file, or standard input.
private struct FileSource: ArchiveSource {
  private static let piece = 256 << 10
  private let handle: FileHandle
  let size: Int64?

  var isRepeatable: Bool { size != nil }

  init(_ handle: FileHandle, size: Int64?) {
    self.handle = handle
    self.size = size
  }

  mutating func seek(to offset: Int64) throws {
    guard isRepeatable else {
      guard offset == 0 else { throw StartError("Standard input cannot be read again.") }
      return
    }
    try handle.seek(toOffset: UInt64(max(offset, 0)))
  }

  mutating func next() throws -> [UInt8]? {
    guard let data = try handle.read(upToCount: Self.piece), !data.isEmpty else { return nil }
    return [UInt8](data)
  }
}

/// A Maildir as the tar archive that the service takes: the files that were there at the start, in the order of their names, the keywords of a
/// folder before its messages.
private struct MaildirSource: ArchiveSource {
  private let root: String
  /// The paths below the root.
  private let files: [String]
  private var position = 0
  /// How many of the bytes to come are not wanted.
  private var skipped: Int64 = 0
  private var isFinished = false

  var size: Int64? { nil }
  var isRepeatable: Bool { true }

  init(_ root: String) throws {
    self.root = root
    var files: [String] = []
    try Self.collect(root, "", &files)
    guard !files.isEmpty || FileManager.default.fileExists(atPath: root + "/cur") else {
      throw StartError("\(root) is no Maildir: it has no folder cur.")
    }
    self.files = files
  }

  private static func collect(_ root: String, _ folder: String, _ files: inout [String]) throws {
    guard folder.utf8.count < 4096 else { return }
    let names = try FileManager.default.contentsOfDirectory(atPath: root + "/" + folder).sorted()
    if names.contains("dovecot-keywords") { files.append(folder + "dovecot-keywords") }
    for name in names where name == "cur" || name == "new" {
      let messages = try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)\(name)")
      files += messages.filter { !$0.hasPrefix(".") }.sorted().map { "\(folder)\(name)/\($0)" }
    }
    for name in names where !["cur", "new", "tmp"].contains(name) {
      var isFolder: ObjCBool = false
      let path = "\(root)/\(folder)\(name)"
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
      guard !isLink else { continue }
      guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        leaveOut(folder + name, "its name is not UTF-8, or it has just gone")
        continue
      }
      guard isFolder.boolValue else { continue }
      try collect(root, "\(folder)\(name)/", &files)
    }
  }

  private static func leaveOut(_ path: String, _ reason: String) {
    let words = "\(path) is left out: \(reason).\n"
    FileHandle.standardError.write(Data(words.utf8))
  }

  mutating func seek(to offset: Int64) throws {
    position = 0
    isFinished = false
    skipped = offset
  }

  mutating func next() throws -> [UInt8]? {
    while !isFinished {
      var output: [UInt8] = []
      if position < files.count {
        let path = files[position]
        position += 1
        let file = "\(root)/\(path)"
        let found = try? FileManager.default.attributesOfItem(atPath: file)  // Nil: it has gone.
        guard let attributes = found else {
          // One whose flags somebody changes meanwhile has another name now, and another turn.
          Self.leaveOut(path, "its name is not UTF-8, or it has another one now")
          continue
        }
        // Of a Maildir from elsewhere a link could name any file of this machine.
        guard attributes[.type] as? FileAttributeType == .typeRegular,
          let data = FileManager.default.contents(atPath: file)
        else {
          Self.leaveOut(path, "it is a link, or cannot be read")
          continue
        }
        let date = attributes[.modificationDate] as? Date ?? Date()
        TarWriter.write(
          "./\(path)",
          [UInt8](data).span,
          modifiedAt: Int64(date.timeIntervalSince1970.rounded(.down)),
          to: &output
        )
      } else {
        TarWriter.finish(&output)
        isFinished = true
      }
      guard skipped < Int64(output.count) else {
        skipped -= Int64(output.count)
        continue
      }
      defer { skipped = 0 }
      return skipped > 0 ? Array(output[Int(skipped)...]) : output
    }
    return nil
  }
}
