package import Net

/// The engine's bounds and waits.
package struct EngineConfiguration: Sendable {
  /// For connecting, TLS, greeting and login, all together.
  package var connectTimeout: Duration = .seconds(20)
  /// Between two looks at the mailboxes that nobody watches; nil looks only when told to.
  package var pollInterval: Duration? = .seconds(60)
  /// The least time between two looks at a POP3 server, which lets nobody else in meanwhile.
  package var pop3Interval: Duration = .seconds(300)
  /// How many messages, and how many bytes of them, are taken from a POP3 server in one transaction.
  package var pop3Batch = 500
  package var pop3BatchBytes = 8 << 20
  /// Between two comparisons of every flag where the server has no CONDSTORE to tell that one changed.
  package var flagInterval: Duration = .seconds(600)
  /// How long one IDLE lasts; servers may drop whoever is silent for 30 minutes.
  package var idleRenewal: Duration = .seconds(25 * 60)
  /// How long a server may be silent in IDLE before it is asked whether it is still there.
  package var watchSilence: Duration = .seconds(5 * 60)
  /// How long it may take to answer; a connection that waited unused is asked likewise.
  package var watchAnswer: Duration = .seconds(30)
  /// Between two looks at a server's quotas.
  package var quotaInterval: Duration = .seconds(600)
  /// What the service says of itself to IMAP servers (RFC 2971).
  package var identification: [(name: String, value: String)] = [("name", "Restante")]
  /// How many messages the first transaction of a mailbox holds, so that a page can be read at once.
  package var firstBatch = 50
  /// How many messages one transaction of a sync holds.
  package var batch = 2000
  /// From how many messages on a second connection may help to read them in a first sync.
  package var helpedFrom = 10_000
  /// It does where to read a message takes this many times as long as to store one.
  package var helpedSlowness = 1.3
  /// How many messages that may have been in another mailbox before are fetched before it is asked.
  package var rematchSlice = 2000
  /// How many new messages at a time the server is asked to make previews for, which has it read them.
  package var previewed = 50
  /// How many flags one transaction of a sync compares.
  package var flagBatch = 5000
  /// How many of the newest messages have their flags compared each time, where the server has no CONDSTORE.
  package var newestFlags = 1000
  /// How many of the older ones: each time those that follow, from the top again at the end.
  package var olderFlags = 10_000
  /// The wait after the first failure of an account; it doubles with each further one.
  package var firstBackoff: Duration = .seconds(1)
  /// The longest wait between two tries.
  package var longestBackoff: Duration = .seconds(300)
  /// The longest wait before a connection that lists what it will not open is made anew once more.
  package var longestStaleness: Duration = .seconds(3600)
  /// How long the connections of an account are used before they are made anew, at most: what a server lists to an old one may
  /// be true no more.
  package var sessionLifetime: Duration = .seconds(3600)
  /// The same where a caller asks for a pass.
  package var askedSessionLifetime: Duration = .seconds(300)
  /// How many accounts that were synced before make their first pass after connecting at once, at one server.
  package var firstPasses = 16
  /// How many at all servers together.
  package var allFirstPasses = 64
  /// How many connections there are to mail servers, of one account and of all.
  package var connections = ConnectionLimits()
  /// How many connections an account may have for bodies, beside the one for commands and the one that watches.
  package var bodyConnections = 3
  /// How long a connection for bodies is kept when nobody reads.
  package var bodyIdle: Duration = .seconds(60)
  /// How many readers may wait for a connection for bodies.
  package var bodyWaiters = 64
  /// How long a reader waits for one.
  package var bodyWait: Duration = .seconds(20)
  /// Of bodies that were read from servers, to be read again.
  package var bodyCache = BodyCacheLimits()
  /// How many messages, and how many bytes of them, are copied from an IMAP server in one transaction.
  package var copyBatch = 200
  package var copyBatchBytes: Int64 = 8 << 20
  /// How many messages that are to be copied are looked for in one go.
  package var copySlice = 2000
  /// The largest part, in bytes, that is turned into text in memory.
  package var textLimit = 4 * 1024 * 1024
  /// How long a search waits for an account's server; what it has not found by then is told as missing.
  package var searchTime: Duration = .seconds(10)
  /// How many messages of one term a search takes from a server.
  package var searchHits = 200_000
  /// How many raw messages kept here are read for searches in one go.
  package var searchBlobs = 20
  /// How many bytes of a raw message kept here are read for searches: what is behind is mostly attachments.
  package var searchBlobBytes = 1024 * 1024
  /// How many intents are replayed in one go.
  package var operationBatch = 500
  /// For how long after its first attempt a submission is tried again before it fails (RFC 5321 §4.5.4.1).
  package var sendLifetime: Duration = .seconds(4 * 24 * 3600)
  /// How often an intent is replayed before it is refused.
  package var operationAttempts = 10
  /// After how many attempts an intent is replayed by itself, so that it fails for itself.
  package var sharedAttempts = 3
  /// How many messages that may be a certain one are compared with it.
  package var identityCandidates = 1000
  /// The wait after the first attempt that was put off; it doubles with each further one.
  package var firstSendBackoff: Duration = .seconds(5)
  package var longestSendBackoff: Duration = .seconds(3600)
  /// How long the submission worker waits between two looks where nothing wakes it.
  package var sendLook: Duration = .seconds(30)
  /// The wait before an attempt's end, which the database did not take, is told to it again.
  package var recordBackoff: Duration = .seconds(1)
  /// How many submissions are sent at a time.
  package var sendConcurrency = 16
  /// How long after DATA a server may still take a message, for which a crash in between leaves it unknown.
  package var sendDeadline: Duration = .seconds(15 * 60)
  /// What the service calls itself to SMTP servers.
  package var heloName = "[127.0.0.1]"
  /// How many bytes of messages an account may have in its local mailboxes, unless its settings say; nil is without end.
  package var quotaBytes: Int64?
  /// The longest message that is delivered.
  package var messageBytes = 50 << 20
  /// How many messages, and how many bytes of them, one transaction of deliveries takes.
  package var deliveryBatch = 256
  package var deliveryBytes: Int64 = 16 << 20
  /// From how many bytes on a message is parsed and compressed beside the loops.
  package var parsedAside = 128 * 1024
  /// How many messages of an archive, and how many bytes of them, one transaction of an import takes, or one message
  /// more; three such batches are in memory.
  package var importBatch = 2000
  package var importBytes = 8 << 20
  /// How many lines the report of an import has.
  package var importErrors = 1000
  /// How many messages, and how many bytes of them, an export reads in one go.
  package var exportBatch = 250
  package var exportBytes: Int64 = 8 << 20
  /// How many messages one export holds.
  package var exportMessages = 1_000_000
  /// How many new messages rules look at in one go, and of how many accounts at a time.
  package var ruleBatch = 200
  package var ruleConcurrency = 16
  /// How long rules wait between two looks for new messages where nothing wakes them.
  package var ruleLook: Duration = .seconds(30)
  /// The wait before rules look again at a message that could not be read; it doubles with each try, up to the longest.
  package var firstRuleBackoff: Duration = .seconds(2)
  package var longestRuleBackoff: Duration = .seconds(1800)
  /// How often rules try to read a message before they leave it as it is.
  package var ruleAttempts = 30
  /// How many stored messages a run of rules looks at, and changes in a transaction.
  package var ruleRunBatch = 1000
  /// How many messages of such a run wait at most until their server has taken a change of their headers, before the run itself
  /// waits.
  package var ruleRunWaiting = 10_000
  /// The longest wait before a run that could not go on is tried again; the first is that of new messages, and they double.
  package var longestRuleJobBackoff: Duration = .seconds(300)
  /// Between two looks whether a ManageSieve server has the rules as they are, where nothing tells of a change; the longest wait
  /// after failures as well.
  package var scriptLook: Duration = .seconds(900)
  /// The wait before a ManageSieve server that failed is asked again; it doubles with each failure.
  package var firstScriptBackoff: Duration = .seconds(5)
  /// How many ManageSieve servers are looked at at a time.
  package var scriptConcurrency = 8
  /// How many messages one batch job changes in a transaction.
  package var jobBatch = 500
  /// Of the feed and its subscribers.
  package var feed = FeedLimits()
  /// Where trust in certificates begins.
  package var tlsRoots = TLSClientConfiguration.Roots.system

  package init() {}
}
