package sdk

import (
	"encoding/json/v2"
	"fmt"
	"strings"
	"time"
)

// Context is what a transform can ask besides its document: the time of the run, parameters, secrets, ids for new
// documents, documents of other tables; and a log. Everything in it stands still for the whole run, resumed or not.
//
// A lookup ends the transform, by a panic, where its answer is not known yet. When all documents of the batch had their
// turn, all that they asked for is fetched in a few calls, and those that wait are transformed again, from the start.
// So a transform may run several times for one document, and must be pure.
type Context struct {
	// Document is the document at hand: its id, and its body as it is spelled.
	Document *Document

	host    Host
	answers answers
	limit   int
	made    int
	asked   map[string]question
	// Kept back until it is known that the attempt counts.
	log []line
}

type line struct {
	level   Level
	message string
}

// waiting is what a lookup panics with whose answer is not known yet.
type waiting struct{}

// Now is when the run started, in milliseconds since the Unix epoch: the same for all documents.
func (ctx *Context) Now() uint64 { return ctx.host.Now() }

// NowText is the same as text, like 2024-02-29T12:34:56.789Z (RFC 3339, UTC).
func (ctx *Context) NowText() string {
	return time.UnixMilli(int64(ctx.Now())).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// Param reads a parameter of the run (--param name=value); false if it was not given, or is null. Where it does not fit
// the type, it panics with a Failure.
func Param[T any](ctx *Context, name string) (T, bool) {
	var to T
	text, given := ctx.host.Param(name)
	if !given || text == "null" {
		return to, false
	}
	if err := json.Unmarshal([]byte(text), &to); err != nil {
		message := fmt.Sprintf("the parameter %s cannot be used: %s", name, strings.TrimPrefix(err.Error(), "json: "))
		panic(Fail("invalid-parameter", message))
	}
	return to, true
}

// Secret is a secret of the run, where the migration declares it and the user granted it. Never put it into a failure,
// a reason or the log.
func (ctx *Context) Secret(name string) (string, bool) { return ctx.host.Secret(name) }

// NewID is an id for a new document of a table: the same for the same seed. Choose as seed what makes the new document
// the one it is, such as the id of the document that it is made from.
func (ctx *Context) NewID(table, seed string) string { return ctx.host.NewID(table, seed) }

// Get is the document of a table with this key; nil if there is none.
func (ctx *Context) Get(table, id string) *Document {
	return ctx.GetMany(table, id)[0]
}

// GetMany are the documents of a table with these keys, in order; nil for each that does not exist. It counts as one
// lookup.
func (ctx *Context) GetMany(table string, ids ...string) []*Document {
	ctx.count()
	documents := make([]*Document, len(ids))
	// All are asked for before the first that is not known yet ends the attempt.
	isWaiting := false
	for place, id := range ids {
		answer, known := ctx.answer(question{table: table, id: id})
		isWaiting = isWaiting || !known
		if len(answer) > 0 {
			documents[place] = answer[0]
		}
	}
	if isWaiting {
		panic(waiting{})
	}
	return documents
}

// Find are the documents of a table that meet all of these conditions: the first so many, by key.
func (ctx *Context) Find(table string, limit uint32, conditions ...Condition) []*Document {
	ctx.count()
	documents, known := ctx.answer(question{table: table, isFind: true, limit: limit, conditions: conditions})
	if !known {
		panic(waiting{})
	}
	return documents
}

// FindOne is the first document of a table, by key, that meets all of these conditions; nil if there is none.
func (ctx *Context) FindOne(table string, conditions ...Condition) *Document {
	documents := ctx.Find(table, 1, conditions...)
	if len(documents) == 0 {
		return nil
	}
	return documents[0]
}

// Debug logs for the author of the migration.
func (ctx *Context) Debug(message string) { ctx.log = append(ctx.log, line{LevelDebug, message}) }

// Info logs for whoever reads the history of a run.
func (ctx *Context) Info(message string) { ctx.log = append(ctx.log, line{LevelInfo, message}) }

// Warn logs that somebody should look at this document.
func (ctx *Context) Warn(message string) { ctx.log = append(ctx.log, line{LevelWarn, message}) }

// Error logs that something is wrong. Where the document cannot be migrated, return a failure instead.
func (ctx *Context) Error(message string) { ctx.log = append(ctx.log, line{LevelError, message}) }

func (ctx *Context) count() {
	if ctx.made >= ctx.limit {
		message := fmt.Sprintf("the transform of this document makes more than %d lookups; the migration's Lookups raises the limit", ctx.limit)
		panic(Fail("too-many-lookups", message))
	}
	ctx.made++
}

// answer is what the host answered. If it was not asked yet, the question is noted.
func (ctx *Context) answer(asked question) ([]*Document, bool) {
	key := asked.key()
	answer, known := ctx.answers[key]
	if !known {
		if ctx.asked == nil {
			ctx.asked = map[string]question{}
		}
		ctx.asked[key] = asked
		return nil, false
	}
	if answer.failure != nil {
		panic(*answer.failure)
	}
	return answer.documents, true
}
