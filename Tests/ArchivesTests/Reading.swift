import Archives
import Foundation

/// What a reader makes of `bytes`, given in pieces of `size`.
func read(
  _ bytes: [UInt8],
  _ format: ArchiveFormat,
  from place: ArchivePlace = ArchivePlace(),
  pieces size: Int = .max,
  _ limits: ArchiveLimits = ArchiveLimits()
) -> (messages: [ArchivedMessage], defects: [ArchiveDefect]) {
  var reader = ArchiveReader(format, from: place, limits)
  var messages: [ArchivedMessage] = []
  var defects: [ArchiveDefect] = []
  func take() {
    while let event = reader.next() {
      switch event {
      case .message(let message): messages.append(message)
      case .defect(let defect): defects.append(defect)
      }
    }
  }
  var start = Int(place.offset)
  while start < bytes.count {
    let end = size == .max ? bytes.count : min(bytes.count, start + size)
    reader.receive(Array(bytes[start..<end]))
    take()
    start = end
  }
  reader.finish()
  take()
  return (messages, defects)
}

/// The archive of `messages`.
func write(_ messages: [ArchivedMessage], _ format: ArchiveFormat) -> [UInt8] {
  var writer = ArchiveWriter(format, keywords: Set(messages.flatMap(\.keywords)))
  var output: [UInt8] = []
  writer.begin(&output)
  for message in messages { writer.write(message, to: &output) }
  writer.finish(&output)
  return output
}

extension ArchivedMessage {
  /// The bytes as text, for failures that can be read.
  var text: String { String(decoding: raw, as: UTF8.self) }

  /// Without what the archive knows of itself.
  var content: ArchivedMessage {
    ArchivedMessage(raw, keywords: keywords, receivedAt: receivedAt)
  }
}

/// The formats that are written.
let written: [ArchiveFormat] = [.mbox, .maildir, .rnews]

/// Random messages, the same for the same seed.
struct MessageSource: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  private static let pieces: [String] = [
    "From ", ">From ", ">>From ", "From ada@example.org Thu Nov 26 02:47:02 2026", "\r\n", "\n",
    "\r", "\r\n\r\n", "\n\n", "Subject: hello", "Status: RO", "X-Status: F", "Content-Length: 12",
    "X-Restante-Archive: fields=1; form=lf", "#! rnews 12", "#! rnews 12\n", "\u{0}", "ÿ", "a",
    " folded", "text of some length", "ustar\u{0}", "X-Keywords: a b", "From: bob@example.org",
  ]

  private static let keywords = [
    "$seen", "$answered", "$flagged", "$draft", "$forwarded", "$junk", "work", "a:b", "x;y",
  ]

  /// A message of odd pieces, or with `isCanonical` of lines that all end in CRLF.
  mutating func message(isCanonical: Bool = false) -> ArchivedMessage {
    var raw: [UInt8] = []
    for _ in 0..<Int.random(in: 0..<30, using: &self) {
      if Int.random(in: 0..<8, using: &self) == 0 {
        raw.append(UInt8.random(in: .min ... .max, using: &self))
      } else {
        raw += Array((Self.pieces.randomElement(using: &self) ?? "").utf8)
      }
    }
    if isCanonical {
      raw = raw.filter { $0 != 0x0D }.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] } + [0x0D, 0x0A]
    }
    let keywords = Self.keywords.filter { _ in Bool.random(using: &self) }
    return ArchivedMessage(
      raw,
      keywords: keywords.sorted(),
      receivedAt: Int64.random(in: 0..<4_000_000_000, using: &self)
    )
  }
}
