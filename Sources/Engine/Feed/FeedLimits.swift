/// The bounds and waits of the feed and of those who listen to it.
package struct FeedLimits: Sendable {
  /// How long a change is kept; nil keeps all.
  ///
  /// A state or an id of an event before what is kept is told `state_too_old`.
  package var retention: Duration? = .seconds(30 * 24 * 3600)
  /// Between two looks for changes that are older.
  package var trimInterval: Duration = .seconds(3600)
  /// How many changes one statement forgets, so that it holds no account's row for long.
  package var trimRows = 5000
  /// How many may listen on this node; those beyond it are answered 503.
  package var subscribers = 10_000
  /// How many events wait for one subscriber; one that is slower than that is dropped and may resume.
  package var queuedEvents = 256
  /// How many accounts a subscriber may name.
  package var namedAccounts = 100
  /// The longest silence of a stream: then it says where it stands.
  package var heartbeat: Duration = .seconds(15)
  /// The least wait that clients are asked to keep before they connect again; up to as much again is added, by chance.
  package var reconnect: Duration = .seconds(1)
  /// How many rows of the feed one read takes.
  package var readRows = 200
  /// The least time between two reads of the feed, so that a storm of commits costs no read each.
  package var readInterval: Duration = .milliseconds(2)
  /// The longest time between two reads while somebody listens, which covers a notification that was lost.
  package var pollInterval: Duration = .seconds(2)
  /// The longest wait for an open transaction that holds up changes committed already.
  package var heldUpInterval: Duration = .milliseconds(50)
  /// The least time between two notifications of other nodes.
  package var notifyInterval: Duration = .milliseconds(5)
  /// Between two looks at whether the tokens of those who listen still hold.
  package var tokenInterval: Duration = .seconds(5)

  /// How long nothing must have been committed before messages are indexed for searches, so that a first sync goes on alone.
  package var indexQuiet: Duration = .milliseconds(50)
  /// The longest that messages wait for that.
  package var indexDelay: Duration = .seconds(10)
  /// The longest that they wait while a first sync runs.
  package var indexFirstSyncDelay: Duration = .seconds(60)
  /// How many rows of the feed, each of a batch of messages, one step of the indexer takes.
  package var indexRows = 8
  /// Among how many connections the messages of a step are parted, where they are many; each has two transactions of them.
  package var indexWidth = 2
  /// After how many messages the pending lists of the indexes are merged.
  package var indexSettle = 500

  package init() {}
}
