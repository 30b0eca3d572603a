package sdk

// Level is how much a log line matters.
type Level uint8

// The levels, the least first.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Host is what a migration imports: the real one in a component, one in memory in tests. A lookup that is refused
// returns a Failure.
type Host interface {
	// GetMany returns the documents with these ids, in order; nil for one that does not exist.
	GetMany(table string, ids []string) ([]*Document, *Failure)
	// FindMany returns for each query the first documents that meet all of its conditions.
	FindMany(table string, queries [][]Condition, limit uint32) ([][]*Document, *Failure)
	Now() uint64
	Param(name string) (string, bool)
	Secret(name string) (string, bool)
	NewID(table, seed string) string
	Log(level Level, message string, document uint32)
}
