import TestSupport
import Testing

@testable import Rules

/// Bad files of filters are refused, or read as far as they can be, and end nothing.
@Suite("Filters of other programs, mutations") struct FilterMutationTests {
  @Test(arguments: FilterFormat.allCases)
  func `Mutation: files of filters are read or refused`(_ format: FilterFormat) throws {
    let inputs = [
      FilterImportTests.gmail, FilterImportTests.thunderbird, FilterImportTests.roundcube,
    ].map { Array($0.utf8) }
    try Mutations.run("filters-\(format.rawValue)", of: inputs) { bytes in
      do throws(FilterFileError) {
        for filter in try format.read(bytes) where filter.rule == nil {
          #expect(!filter.notes.isEmpty)
        }
      } catch {
        #expect(!error.reason.isEmpty)
      }
    }
  }
}
