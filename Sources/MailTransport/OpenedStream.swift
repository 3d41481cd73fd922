import Net

/// A connection to a mail server before anything is said on it.
struct OpenedStream {
  let socket: SocketStream
  /// The socket, or TLS over it where that begins with the first byte.
  let stream: any ByteStream

  /// Connects, with TLS at once where `tls` is implicit.
  static func open(
    _ host: String,
    _ port: UInt16,
    from source: SourcePort = .any,
    _ tls: TLSMode,
    _ context: TLSClientContext,
    by connector: Connector,
    deadline: Deadline
  ) async throws(NetError) -> OpenedStream {
    let socket = try await connector.connect(
      host: host,
      port: port,
      from: source,
      deadline: deadline
    )
    guard tls == .implicit else { return OpenedStream(socket: socket, stream: socket) }
    let stream = try await TLSStream.client(
      over: socket,
      serverName: host,
      context: context,
      deadline: deadline
    )
    return OpenedStream(socket: socket, stream: stream)
  }
}
