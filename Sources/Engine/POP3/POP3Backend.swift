import Model
import Net
import Store

/// An account whose mail is kept here, in mailboxes of its own, and whose inbox is filled from a POP3 server.
///
/// What is done to a message here is final, as in an account without a server; jobs are done beside a download.
final class POP3Backend: MailBackend {
  let loop: EventLoop
  let signal = LoopSignal()
  private let mailboxes: LocalBackend
  private let worker: POP3Worker

  init(_ account: Account, on loop: EventLoop, _ services: EngineServices) {
    self.loop = loop
    mailboxes = LocalBackend(account.id, on: loop, services)
    worker = POP3Worker(account.id, on: loop, services)
  }

  var connection: AccountConnection { worker.record.current }

  func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [mailboxes] in await mailboxes.run() }
      group.addTask { [worker] in await worker.run() }
      while !Task.isCancelled {
        let reasons = await signal.wait(until: nil, on: loop)
        mailboxes.signal.notify(reasons)
        worker.signal.notify(reasons)
      }
      group.cancelAll()
    }
  }
}
