package sdk

import "maps"

// Migration is a pure function from a document to an outcome, and all that it may touch. T is a struct with the fields
// that it reads, or *Document, which is not parsed.
type Migration[T any] struct {
	// Name is its identity in the store's history: lower-case words joined by hyphens.
	Name string
	// Description is one sentence for people.
	Description string
	// Version is the schema version that the store has afterwards.
	Version uint32
	// RunAfter names migrations that must have been applied before.
	RunAfter []string
	// Table is the table whose documents it transforms.
	Table string
	// Filter: only documents that meet all of these conditions are passed to it. Choose it so that a migrated document
	// does not meet it.
	Filter []Condition
	// Reads names tables that it looks documents up in.
	Reads []string
	// Writes names tables that it changes besides its own.
	Writes []string
	// Secrets names secrets that it asks for.
	Secrets []string
	// Lookups is how many the transform of one document may make; 0 for 100.
	Lookups int
	// Transform says what becomes of one document. The same document and the same answers to its lookups must give the
	// same outcome.
	Transform func(document T, ctx *Context) Outcome
	// Revert takes the migration's work back, if it can (with world = "reversible-migration" in plugin.toml). It is
	// given the documents that the migration changed, as they are by now, or all of the table: the filter does not
	// apply. It skips what is not migrated.
	Revert func(document T, ctx *Context) Outcome
}

// defaultLookups is how many lookups the transform of one document may make: a chain that never ends (a circle of
// parents) must not hold the batch.
const defaultLookups = 100

// Plugin is a migration of whatever type. Only Migration implements it.
type Plugin interface {
	manifest() manifest
	// run gives one outcome for each document, in the same order.
	run(documents []*Document, isRevert bool, host Host) []Outcome
}

// manifest is what a migration is and all that it may touch.
type manifest struct {
	name, description, table         string
	version                          uint32
	runAfter, reads, writes, secrets []string
	filter                           []Condition
}

func (migration Migration[T]) manifest() manifest {
	return manifest{
		name: migration.Name, description: migration.Description, table: migration.Table,
		version:  migration.Version,
		runAfter: migration.RunAfter, reads: migration.Reads, writes: migration.Writes, secrets: migration.Secrets,
		filter: migration.Filter,
	}
}

// run drives a batch.
//
// If each of a thousand documents asked the host for its company's site, a batch would cost a thousand calls. So a
// lookup whose answer is not known yet is noted, and ends the attempt; when all documents had their turn, all that was
// noted is asked at once, and those that wait are transformed again. A batch thus costs as many calls as its longest
// chain of lookups is long, times the tables involved.
func (migration Migration[T]) run(documents []*Document, isRevert bool, host Host) []Outcome {
	transform := migration.Transform
	if isRevert {
		transform = migration.Revert
	}
	limit := migration.Lookups
	if limit == 0 {
		limit = defaultLookups
	}
	known := answers{}
	outcomes := make([]Outcome, len(documents))
	logs := make([][]line, len(documents))
	// Documents that wait were asked for more in every round so far. A pure transform extends what it asked before, and
	// asks at most so often: what still waits after that many rounds is not pure.
	for range limit + 1 {
		questions := map[string]question{}
		for place, document := range documents {
			if outcomes[place] != nil {
				continue
			}
			ctx := &Context{Document: document, host: host, answers: known, limit: limit}
			outcome := attempt(document, ctx, transform)
			if len(ctx.asked) > 0 {
				maps.Copy(questions, ctx.asked)
			} else {
				outcomes[place], logs[place] = outcome, ctx.log
			}
		}
		if len(questions) == 0 {
			break
		}
		known.fetch(questions, host)
	}
	for place := range outcomes {
		if outcomes[place] == nil {
			outcomes[place] = Fail("impure", "the transform asked other questions each time it was run; it must depend on nothing but the document and the answers to its lookups")
		}
		for _, line := range logs[place] {
			host.Log(line.level, line.message, uint32(place))
		}
	}
	return outcomes
}

// attempt transforms one document. A panic is that document's failure.
func attempt[T any](document *Document, ctx *Context, transform func(T, *Context) Outcome) (outcome Outcome) {
	defer func() {
		switch recovered := recover().(type) {
		case nil:
		case waiting:
			// Never seen: the context knows what was asked.
			outcome = Fail("waiting", "the lookup's answer is fetched; the document is transformed again")
		default:
			outcome = ofPanic(recovered)
		}
	}()
	var parsed T
	if whole, isWhole := any(&parsed).(**Document); isWhole {
		*whole = document
	} else if err := document.Parse(&parsed); err != nil {
		panic(err)
	}
	outcome = transform(parsed, ctx)
	switch what := outcome.(type) {
	case nil:
		return Fail("invalid-outcome", "the transform returned nil; return sdk.Set, Edits, Changes, Skip, Replace, Delete or Fail")
	case Set:
		return what.edits(document)
	}
	return outcome
}
