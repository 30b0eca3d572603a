package sdk

import (
	"runtime/debug"
	"strings"

	"migration/sdk/internal/exports"
	witTypes "migration/sdk/internal/pkg/types"
	_ "migration/sdk/internal/wit/exports/wit_exports"
	contextImports "migration/sdk/internal/wit/imports/migration_plugin_context"
	logImports "migration/sdk/internal/wit/imports/migration_plugin_log"
	lookupImports "migration/sdk/internal/wit/imports/migration_plugin_lookup"
	wire "migration/sdk/internal/wit/imports/migration_plugin_types"
)

// stack is how large a goroutine's may grow. A recursion without end is found out before it has used up the memory.
const stack = 32 << 20

func init() {
	debug.SetMaxStack(stack)
	exports.Describe = describe
	exports.Transform = func(documents []wire.Document) []wire.Outcome { return run(documents, false) }
	exports.Revert = func(documents []wire.Document) []wire.Outcome { return run(documents, true) }
}

// setWallClock sets what time.Now tells. The adapter that takes WASI's place has it.
//
//go:wasmimport wasi_snapshot_preview1 adapter_wall_clock_set
func setWallClock(nanoseconds int64)

func theMigration() Plugin {
	if exported == nil {
		panic("the plugin calls sdk.Export in no init")
	}
	return exported
}

func describe() wire.Manifest {
	manifest := theMigration().manifest()
	return wire.Manifest{
		Name:        manifest.name,
		Description: manifest.description,
		Version:     manifest.version,
		RunAfter:    manifest.runAfter,
		Table:       manifest.table,
		Filter:      wireConditions(manifest.filter),
		Reads:       manifest.reads,
		Writes:      manifest.writes,
		Secrets:     manifest.secrets,
	}
}

func run(documents []wire.Document, isRevert bool) []wire.Outcome {
	host := &imports{now: contextImports.Now()}
	setWallClock(int64(host.now) * 1_000_000)
	given := make([]*Document, len(documents))
	for place, document := range documents {
		given[place] = &Document{ID: document.Id, Body: document.Body}
	}
	outcomes := make([]wire.Outcome, len(documents))
	for place, outcome := range theMigration().run(given, isRevert, host) {
		outcomes[place] = wireOutcome(outcome)
	}
	return outcomes
}

// imports is the host, as the component imports it.
type imports struct {
	// It stays the same, and asking for it costs more than making a small edit.
	now uint64
}

func (host *imports) GetMany(table string, ids []string) ([]*Document, *Failure) {
	result := lookupImports.GetMany(utf8(table), utf8All(ids))
	if result.IsErr() {
		return nil, lookupFailure(result.Err())
	}
	found := result.Ok()
	documents := make([]*Document, len(found))
	for place, document := range found {
		if document.IsSome() {
			documents[place] = &Document{ID: document.Some().Id, Body: document.Some().Body}
		}
	}
	return documents, nil
}

func (host *imports) FindMany(table string, queries [][]Condition, limit uint32) ([][]*Document, *Failure) {
	asked := make([][]wire.Condition, len(queries))
	for place, query := range queries {
		asked[place] = wireConditions(query)
	}
	result := lookupImports.FindMany(utf8(table), asked, limit)
	if result.IsErr() {
		return nil, lookupFailure(result.Err())
	}
	found := result.Ok()
	documents := make([][]*Document, len(found))
	for place, group := range found {
		for _, document := range group {
			documents[place] = append(documents[place], &Document{ID: document.Id, Body: document.Body})
		}
	}
	return documents, nil
}

func (host *imports) Now() uint64 { return host.now }

func (host *imports) Param(name string) (string, bool) {
	return optional(contextImports.Param(utf8(name)))
}

func (host *imports) Secret(name string) (string, bool) {
	return optional(contextImports.Secret(utf8(name)))
}

func (host *imports) NewID(table, seed string) string {
	return contextImports.NewId(utf8(table), utf8(seed))
}

func (host *imports) Log(level Level, message string, document uint32) {
	logImports.Emit(logLevels[level], utf8(message), witTypes.Some(document))
}

var logLevels = [...]logImports.Level{
	LevelDebug: logImports.Level_Debug,
	LevelInfo:  logImports.Level_Info,
	LevelWarn:  logImports.Level_Warn,
	LevelError: logImports.Level_Error,
}

func optional(text witTypes.Option[string]) (string, bool) { return text.SomeOr(""), text.IsSome() }

func lookupFailure(err lookupImports.Error) *Failure {
	switch err.Tag() {
	case lookupImports.Error_NotGranted:
		return &Failure{Code: "lookup-not-granted", Message: err.NotGranted()}
	case lookupImports.Error_UnknownTable:
		return &Failure{Code: "lookup-unknown-table", Message: err.UnknownTable()}
	case lookupImports.Error_LimitExceeded:
		return &Failure{Code: "lookup-limit-exceeded", Message: err.LimitExceeded()}
	default:
		return &Failure{Code: "lookup-store", Message: err.Store()}
	}
}

func wireConditions(conditions []Condition) []wire.Condition {
	made := make([]wire.Condition, len(conditions))
	for place, condition := range conditions {
		made[place] = wire.Condition{At: utf8(condition.at), Test: wireTest(condition)}
	}
	return made
}

func wireTest(condition Condition) wire.Test {
	switch condition.test {
	case present:
		return wire.MakeTestPresent()
	case missing:
		return wire.MakeTestMissing()
	case equals:
		return wire.MakeTestEquals(condition.values[0])
	case notEquals:
		return wire.MakeTestNotEquals(condition.values[0])
	case lessThan:
		return wire.MakeTestLessThan(condition.values[0])
	case atLeast:
		return wire.MakeTestAtLeast(condition.values[0])
	default:
		return wire.MakeTestOneOf(condition.values)
	}
}

func wireOutcome(outcome Outcome) wire.Outcome {
	switch what := outcome.(type) {
	case Edits:
		return wire.MakeOutcomeEdit(wireEdits(what))
	case Changes:
		changes := make([]wire.Change, len(what))
		for place, change := range what {
			changes[place] = wireChange(change)
		}
		return wire.MakeOutcomeChanges(changes)
	case skipping:
		return wire.MakeOutcomeSkip(utf8(what.reason))
	case replacing:
		return wire.MakeOutcomeReplace(what.body)
	case deleting:
		return wire.MakeOutcomeDelete()
	case Failure:
		at := witTypes.None[string]()
		if what.Pointer != "" {
			at = witTypes.Some(utf8(what.Pointer))
		}
		return wire.MakeOutcomeFail(wire.Failure{Code: utf8(what.Code), Message: utf8(what.Message), At: at})
	default:
		// A Set was made to Edits, and nobody else can implement Outcome.
		panic("unknown outcome")
	}
}

func wireEdits(edits Edits) []wire.Edit {
	made := make([]wire.Edit, len(edits))
	for place, edit := range edits {
		at, value := utf8(edit.at), utf8(edit.value)
		switch edit.kind {
		case setEdit:
			made[place] = wire.MakeEditSet(witTypes.Tuple2[string, string]{F0: at, F1: value})
		case removeEdit:
			made[place] = wire.MakeEditRemove(at)
		case renameEdit:
			made[place] = wire.MakeEditRename(witTypes.Tuple2[string, string]{F0: at, F1: value})
		}
	}
	return made
}

func wireChange(change change) wire.Change {
	reference := wire.Reference{Table: utf8(change.table), Id: utf8(change.id)}
	switch change.kind {
	case insertion:
		id := witTypes.None[string]()
		if change.id != "" {
			id = witTypes.Some(reference.Id)
		}
		return wire.MakeChangeInsert(wire.Insertion{Table: reference.Table, Id: id, Body: change.body})
	case editing:
		return wire.MakeChangeEdit(witTypes.Tuple2[wire.Reference, []wire.Edit]{F0: reference, F1: wireEdits(change.edits)})
	case replacement:
		return wire.MakeChangeReplace(witTypes.Tuple2[wire.Reference, string]{F0: reference, F1: change.body})
	default:
		return wire.MakeChangeDelete(reference)
	}
}

// utf8 is a text as it may cross the sandbox's boundary, where bytes that are no UTF-8 would trap.
func utf8(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func utf8All(texts []string) []string {
	made := make([]string, len(texts))
	for place, text := range texts {
		made[place] = utf8(text)
	}
	return made
}
