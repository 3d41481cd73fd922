/// Placeholder until the loops land.
package final class EventLoop: Sendable {}
