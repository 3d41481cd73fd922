import HTTP

/// Finds the route of a request by its method and the segments of its path.
///
/// Patterns are written as `openapi.yaml` writes them: `/v1/accounts/{accountId}:sync`. A literal segment
/// wins over a parameter. A parameter never holds a colon: what follows one names an action.
struct Router: Sendable {
  /// What becomes of a request.
  enum Outcome {
    /// The route, and the values of its parameters in order.
    case found(Route, [String])
    /// The path exists with these methods only.
    case methodNotAllowed(allow: [HTTPMethod])
    case notFound
  }

  private var root = Node()

  /// One place in the tree of paths.
  private struct Node {
    var literals: [String: Node] = [:]
    /// The node after a parameter: none or one.
    var parameter: [Node] = []
    /// The nodes after a parameter and an action, by the action.
    var actions: [String: Node] = [:]
    var routes: [Route] = []
  }

  /// A router over `routes`, no two of which share method and pattern.
  init(_ routes: [Route]) {
    for route in routes {
      Self.insert(route, route.pattern.split(separator: "/")[...], into: &root)
    }
  }

  private static func insert(_ route: Route, _ path: ArraySlice<Substring>, into node: inout Node) {
    guard let segment = path.first else {
      node.routes.append(route)
      return
    }
    let rest = path.dropFirst()
    if segment.hasPrefix("{") {
      if let colon = segment.firstIndex(of: ":") {
        let action = String(segment[segment.index(after: colon)...])
        insert(route, rest, into: &node.actions[action, default: Node()])
      } else {
        if node.parameter.isEmpty { node.parameter.append(Node()) }
        insert(route, rest, into: &node.parameter[0])
      }
    } else {
      insert(route, rest, into: &node.literals[String(segment), default: Node()])
    }
  }

  /// What becomes of a request with this method and this path.
  ///
  /// HEAD is routed as GET.
  func match(_ method: HTTPMethod, _ segments: [String]) -> Outcome {
    var node = root
    var parameters: [String] = []
    for segment in segments {
      if let next = node.literals[segment] {
        node = next
      } else if let colon = segment.utf8.lastIndex(of: 0x3A) {
        let value = String(segment[..<colon])
        let action = String(segment[segment.utf8.index(after: colon)...])
        guard !value.isEmpty, let next = node.actions[action] else { return .notFound }
        parameters.append(value)
        node = next
      } else {
        guard !segment.isEmpty, let next = node.parameter.first else { return .notFound }
        parameters.append(segment)
        node = next
      }
    }
    guard !node.routes.isEmpty else { return .notFound }
    let wanted = method == .head ? .get : method
    if let route = node.routes.first(where: { $0.method == wanted }) {
      return .found(route, parameters)
    }
    return .methodNotAllowed(allow: Self.allowed(node.routes))
  }

  /// The methods that `routes` answer, HEAD and OPTIONS included.
  private static func allowed(_ routes: [Route]) -> [HTTPMethod] {
    var methods: [HTTPMethod] = []
    for route in routes {
      methods.append(route.method)
      if route.method == .get { methods.append(.head) }
    }
    return methods + [.options]
  }
}
