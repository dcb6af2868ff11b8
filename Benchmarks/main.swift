import CWinsock
import Foundation
import Hosting
import Providers
import QuerySets
import Sessions

// One JSON line a benchmark: figure, floor measured in the same run, ratio, goal. Medians of many rounds.
guard CommandLine.arguments.count == 2 else {
  FileHandle.standardError.write(Data("usage: bench PROVIDER-DIRECTORY (make bench does it)\n".utf8))
  exit(64)
}
let directory = CommandLine.arguments[1]
// Before anything else has left free memory behind.
let memoryOfConnection = connectionMemory()
callBenchmarks(directory)
sessionBenchmarks(directory)
lookupBenchmark(directory)
classBenchmarks()
version1Benchmarks(directory)
moduleBenchmarks()
connectionBenchmarks(memory: memoryOfConnection)
scanBenchmark(directory)
