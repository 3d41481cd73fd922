import Bytes
import Engine
import Model

/// The shape of what `:verify` found out.
enum VerificationJSON {
  static func write(_ steps: [VerifyStep], to json: inout JSONWriter) {
    let incoming = steps.filter { $0.backend == "incoming" }
    let outgoing = steps.filter { $0.backend == "outgoing" }
    let sieve = steps.filter { $0.backend == "sieve" }
    json.object { json in
      json.member("ok") { $0.bool(steps.allSatisfy(\.succeeded)) }
      json.member("incoming") { writeSide(incoming, to: &$0) }
      json.member("outgoing") { writeSide(outgoing, to: &$0) }
      json.member("sieve") { writeSide(sieve, to: &$0) }
    }
  }

  private static func writeSide(_ steps: [VerifyStep], to json: inout JSONWriter) {
    guard !steps.isEmpty else { return json.null() }
    json.object { json in
      json.member("ok") { $0.bool(steps.allSatisfy(\.succeeded)) }
      json.member("failedStep") { $0.string(steps.first { !$0.succeeded }?.step) }
      json.member("steps") { json in
        json.array { json in
          for step in steps { write(step, to: &json) }
        }
      }
    }
  }

  private static func write(_ step: VerifyStep, to json: inout JSONWriter) {
    json.object { json in
      json.member("step") { $0.string(step.step) }
      json.member("ok") { $0.bool(step.succeeded) }
      json.member("code") { $0.string(step.code?.rawValue) }
      json.member("detail") { $0.string(step.message) }
      json.member("response") { $0.string(step.response) }
    }
  }
}
