import HTTP
import Testing

@testable import API

@Suite("Router") struct RouterTests {
  private let router = Router(Route.all)

  private func pattern(_ method: HTTPMethod, _ path: String) -> String? {
    guard case .found(let route, _) = router.match(method, segments(path)) else { return nil }
    return route.pattern
  }

  private func segments(_ path: String) -> [String] {
    path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { String($0) }
  }

  @Test(arguments: [
    ("/v1/accounts", "/v1/accounts"),
    ("/v1/accounts/acc_1", "/v1/accounts/{accountId}"),
    ("/v1/accounts/acc_1/messages", "/v1/accounts/{accountId}/messages"),
    (
      "/v1/accounts/acc_1/messages/msg_1/parts/1.2",
      "/v1/accounts/{accountId}/messages/{messageId}/parts/{partId}"
    ),
    ("/healthz", "/healthz"),
  ])
  func `a path finds its pattern`(path: String, expected: String) {
    #expect(pattern(.get, path) == expected)
  }

  @Test(arguments: [
    ("/v1/accounts:verify", "/v1/accounts:verify"),
    ("/v1/accounts/acc_1:sync", "/v1/accounts/{accountId}:sync"),
    ("/v1/accounts/acc_1/messages:batch", "/v1/accounts/{accountId}/messages:batch"),
    (
      "/v1/accounts/acc_1/operations/opr_1:retry",
      "/v1/accounts/{accountId}/operations/{operationId}:retry"
    ),
  ])
  func `an action after a colon finds its pattern`(path: String, expected: String) {
    #expect(pattern(.post, path) == expected)
  }

  @Test func `an action is cut off the parameter before it`() {
    guard case .found(_, let values) = router.match(.post, segments("/v1/accounts/acc_1:sync"))
    else { Issue.record("not found"); return }
    #expect(values == ["acc_1"])
  }

  @Test func `parameters come in the order of the pattern`() {
    let path = "/v1/accounts/acc_1/messages/msg_2/parts/1.2"
    guard case .found(_, let values) = router.match(.get, segments(path)) else {
      Issue.record("not found")
      return
    }
    #expect(values == ["acc_1", "msg_2", "1.2"])
  }

  @Test(arguments: [
    "/", "/v1", "/v1/", "/v1/accounts/", "/v1/accounts/acc_1/", "/v1/accounts/acc_1:nonsense",
    "/v1/accounts/:sync", "/v1/accounts//messages", "/v1/accounts/acc_1/nonsense",
    "/v2/accounts", "/V1/accounts", "/v1/accounts/acc_1/messages/msg_1/raw/more",
  ])
  func `any other path is not found`(path: String) {
    guard case .notFound = router.match(.get, segments(path)) else {
      Issue.record("\(path) is found")
      return
    }
  }

  @Test func `HEAD is routed as GET`() {
    #expect(pattern(.head, "/v1/accounts") == "/v1/accounts")
  }

  @Test func `another method is told what the path allows`() {
    guard case .methodNotAllowed(let allow) = router.match(.put, segments("/v1/accounts/acc_1"))
    else { Issue.record("allowed"); return }
    #expect(allow.map(\.rawValue) == ["GET", "HEAD", "PATCH", "DELETE", "OPTIONS"])
  }

  @Test func `a path with an action only allows no other method`() {
    guard case .methodNotAllowed(let allow) = router.match(.get, segments("/v1/accounts:verify"))
    else { Issue.record("allowed"); return }
    #expect(allow.map(\.rawValue) == ["POST", "OPTIONS"])
  }
}
