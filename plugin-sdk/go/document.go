package sdk

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"strconv"
	"strings"
)

// Document is a document as the store held it when its batch was read.
type Document struct {
	// ID is its key within the table, as text.
	ID string
	// Body is its JSON text, as the store has it.
	Body string
}

// Parse reads the body into a struct of yours. Name only the fields that the migration reads: the others are skipped,
// and stay what they are. A field that is not there, or null, leaves the zero value: take a pointer where that matters.
// For a value that is passed on and not understood, take a jsontext.Value: it keeps its spelling.
func (document *Document) Parse(to any) error {
	if err := json.Unmarshal([]byte(document.Body), to, asStored); err != nil {
		return unfit("invalid-document", err, "")
	}
	return nil
}

// Has tells whether a JSON Pointer leads to a value, null included.
func (document *Document) Has(pointer string) bool {
	_, found := follow(document.Body, pointer)
	return found
}

// Raw is the value that a JSON Pointer leads to, as it is spelled; empty if there is none.
func (document *Document) Raw(pointer string) jsontext.Value {
	value, _ := follow(document.Body, pointer)
	return value
}

// Get reads the value that a JSON Pointer leads to; false if there is none, or null. Where it does not fit the type it
// panics with a Failure, which is then the document's.
func Get[T any](document *Document, pointer string) (T, bool) {
	var to T
	value, found := follow(document.Body, pointer)
	if !found || value.Kind() == 'n' {
		return to, false
	}
	if err := json.Unmarshal(value, &to, asStored); err != nil {
		panic(unfit("invalid-field", err, pointer))
	}
	return to, true
}

// Require reads the value that a JSON Pointer leads to, where the migration cannot do without: otherwise it panics with
// a Failure, which is then the document's.
func Require[T any](document *Document, pointer string) T {
	value, found := Get[T](document, pointer)
	if !found {
		panic(Fail("missing-field", "there is no "+pointer).At(pointer))
	}
	return value
}

// asStored are bodies as stores have them: where an object has a key twice, the last one counts, and half a surrogate
// pair that is spelled with an escape is replaced.
var asStored = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// follow goes down a pointer. It reads no more of the body than the way to the value.
func follow(body, pointer string) (jsontext.Value, bool) {
	value := jsontext.Value(body)
	if pointer == "" {
		return value, true
	}
	if pointer[0] != '/' {
		panic(Fail("invalid-field", pointer+" is no JSON Pointer: it begins with /").At(pointer))
	}
	for key := range strings.SplitSeq(pointer[1:], "/") {
		key = strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
		switch value.Kind() {
		case '{':
			var members map[string]jsontext.Value
			if json.Unmarshal(value, &members, asStored) != nil {
				return nil, false
			}
			member, found := members[key]
			if !found {
				return nil, false
			}
			value = member
		case '[':
			var elements []jsontext.Value
			place, err := strconv.ParseUint(key, 10, 32)
			if err != nil || json.Unmarshal(value, &elements, asStored) != nil || place >= uint64(len(elements)) {
				return nil, false
			}
			value = elements[place]
		default:
			return nil, false
		}
	}
	return value, true
}

// unfit is a value that does not fit the type that it was asked as: it blames the place.
func unfit(code string, err error, pointer string) Failure {
	at := pointer
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		at += string(semantic.JSONPointer)
	}
	return Fail(code, strings.TrimPrefix(err.Error(), "json: ")).At(at)
}

// encode is the JSON text of a value. Where JSON has none it panics with a Failure that blames the field.
func encode(value any, at string) string {
	// A map's keys come in the order of their bytes: the same document gives the same text.
	text, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		panic(Fail("invalid-value", "the value cannot be written as JSON: "+strings.TrimPrefix(err.Error(), "json: ")).At(at))
	}
	return string(text)
}
