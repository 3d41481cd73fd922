import Bytes
import MIME
import Testing

@Suite("The corpus of messages other parsers agree on", .enabled(if: CorpusCase.isPresent))
struct CorpusTests {
  @Test(arguments: CorpusCase.cases("tree"))
  func `parts, text and header fields are those that others find`(_ fixture: CorpusCase) throws {
    let message = MessageParser.parse(fixture.bytes)
    var comparison = CorpusComparison(message)
    comparison.compareTree(message.parts[0], try #require(fixture.expectation))
    #expect(comparison.differences == [])
  }

  @Test(arguments: CorpusCase.cases("structure"))
  func `header names and decoded leaves are those that others find`(_ fixture: CorpusCase) throws {
    let message = MessageParser.parse(fixture.bytes)
    var comparison = CorpusComparison(message)
    comparison.compareStructure(message.parts[0], try #require(fixture.expectation))
    #expect(comparison.differences == [])
  }

  @Test(arguments: CorpusCase.cases("content-type tree"))
  func `content types and file names are those that CPython finds`(_ fixture: CorpusCase) throws {
    let message = MessageParser.parse(fixture.bytes)
    var comparison = CorpusComparison(message)
    comparison.compareTypes(message.parts[0], try #require(fixture.expectation?["structure"]))
    #expect(comparison.differences == [])
  }

  @Test(arguments: CorpusCase.all)
  func `every leaf of every message can be addressed and decoded`(_ fixture: CorpusCase) {
    let message = MessageParser.parse(fixture.bytes)
    #expect(!message.parts.isEmpty)
    checkInvariants(of: message)
  }
}
