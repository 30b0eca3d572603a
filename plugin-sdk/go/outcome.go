package sdk

import (
	"maps"
	"slices"
	"strings"
)

// Outcome is what to do about one document: Set or Edits nearly always, else Changes, a Failure, or what Skip, Replace
// and Delete make.
type Outcome interface{ outcome() }

// Set sets these top-level fields, in the order of their names. What it does not name keeps its exact bytes.
type Set map[string]any

type removal struct{}

// Remove is in place of a field's value in a Set: the field goes. There must be one, except in the outcome of the
// document at hand.
var Remove removal

type editKind uint8

const (
	setEdit editKind = iota
	removeEdit
	renameEdit
)

type edit struct {
	kind editKind
	at   string
	// The JSON text to set, or the pointer to move the value to.
	value string
}

// Edits are edits of one document, applied one after the other, all of them or none. What no edit names keeps its exact
// bytes. Pointers are JSON Pointers (RFC 6901): /email, /address/city.
//
//	sdk.Edits{}.Set("/address/city", "Oslo").Rename("/title", "/recipeTitle").Remove("/legacy")
type Edits []edit

// Set puts a value: replaces what is there, or adds a member to an object that is there. In an array an index replaces,
// and - appends. A value that JSON has not is the document's failure.
func (edits Edits) Set(pointer string, value any) Edits {
	return append(edits, edit{kind: setEdit, at: pointer, value: encode(value, pointer)})
}

// Remove takes a member or an element out. There must be one.
func (edits Edits) Remove(pointer string) Edits {
	return append(edits, edit{kind: removeEdit, at: pointer})
}

// Rename moves a value without decoding it, and replaces what is there. There must be a value at from.
func (edits Edits) Rename(from, to string) Edits {
	return append(edits, edit{kind: renameEdit, at: from, value: to})
}

// edits are those that set these fields. A removal is left out where the document at hand lacks the field.
func (fields Set) edits(of *Document) Edits {
	edits := make(Edits, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		pointer := "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
		if fields[name] != Remove {
			edits = edits.Set(pointer, fields[name])
		} else if of == nil || of.Has(pointer) {
			edits = edits.Remove(pointer)
		}
	}
	return edits
}

type changeKind uint8

const (
	insertion changeKind = iota
	editing
	replacement
	deletion
)

type change struct {
	kind  changeKind
	table string
	// Empty for an insertion whose id the host derives.
	id    string
	body  string
	edits Edits
}

// Changes are several changes, to this document and to others, made together or not at all. Every table besides the
// migration's own must be one of its Writes, and granted by the user.
//
//	sdk.Changes{}.Insert("apiKeys", key).Set("settings", ctx.Document.ID, sdk.Set{"keys": sdk.Remove})
type Changes []change

// Insert adds a document, whose id the host derives from the migration and the document at hand: so the same document
// never inserts twice.
func (changes Changes) Insert(table string, body any) Changes {
	return append(changes, change{kind: insertion, table: table, body: encode(body, "")})
}

// InsertAs adds a document with an id of your choice, such as Context.NewID makes. If there is one with that id, the
// document at hand fails.
func (changes Changes) InsertAs(table, id string, body any) Changes {
	return append(changes, change{kind: insertion, table: table, id: id, body: encode(body, "")})
}

// Edit edits a document.
func (changes Changes) Edit(table, id string, edits Edits) Changes {
	return append(changes, change{kind: editing, table: table, id: id, edits: edits})
}

// Set sets these top-level fields of a document. A field that Remove takes out must be there.
func (changes Changes) Set(table, id string, fields Set) Changes {
	return changes.Edit(table, id, fields.edits(nil))
}

// Replace gives a document a new body; the host works out what really changed.
func (changes Changes) Replace(table, id string, body any) Changes {
	return append(changes, change{kind: replacement, table: table, id: id, body: encode(body, "")})
}

// Delete takes a document away.
func (changes Changes) Delete(table, id string) Changes {
	return append(changes, change{kind: deletion, table: table, id: id})
}

type skipping struct{ reason string }

// Skip leaves the document alone. The report counts how many were skipped for each reason, so keep it the same for all:
// no ids in it.
func Skip(reason string) Outcome { return skipping{reason} }

type replacing struct{ body string }

// Replace gives the document a new body; the host works out what really changed. Prefer Set and Edits: they keep what
// the type of the body does not know.
func Replace(body any) Outcome { return replacing{encode(body, "")} }

type deleting struct{}

// Delete takes the document away.
func Delete() Outcome { return deleting{} }

func (Set) outcome()       {}
func (Edits) outcome()     {}
func (Changes) outcome()   {}
func (Failure) outcome()   {}
func (skipping) outcome()  {}
func (replacing) outcome() {}
func (deleting) outcome()  {}
