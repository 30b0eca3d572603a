//go:build !wasip1

package sdk

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// tables are documents by table and id, as JSON text.
type tables map[string]map[string]string

func (all tables) clone() tables {
	made := tables{}
	for table, documents := range all {
		made[table] = maps.Clone(documents)
	}
	return made
}

func (all tables) put(table, id, body string) {
	if all[table] == nil {
		all[table] = map[string]string{}
	}
	all[table][id] = body
}

// memory is the host of one batch over tables in memory.
type memory struct {
	manifest manifest
	tables   tables
	now      uint64
	params   map[string]jsontext.Value
	secrets  map[string]string
	logs     map[uint32][]line
	calls    int
}

func (host *memory) open(table string) (map[string]string, *Failure) {
	host.calls++
	if !slices.Contains(host.manifest.reads, table) {
		return nil, &Failure{Code: "lookup-not-granted", Message: "the migration does not declare that it reads " + table}
	}
	return host.tables[table], nil
}

func (host *memory) GetMany(table string, ids []string) ([]*Document, *Failure) {
	bodies, failure := host.open(table)
	documents := make([]*Document, len(ids))
	for place, id := range ids {
		if body, exists := bodies[id]; exists {
			documents[place] = &Document{ID: id, Body: body}
		}
	}
	return documents, failure
}

func (host *memory) FindMany(table string, queries [][]Condition, limit uint32) ([][]*Document, *Failure) {
	bodies, failure := host.open(table)
	results := make([][]*Document, len(queries))
	for place, query := range queries {
		for _, id := range slices.Sorted(maps.Keys(bodies)) {
			if uint32(len(results[place])) < limit && meets(bodies[id], query) {
				results[place] = append(results[place], &Document{ID: id, Body: bodies[id]})
			}
		}
	}
	return results, failure
}

func (host *memory) Now() uint64 { return host.now }

func (host *memory) Param(name string) (string, bool) {
	value, given := host.params[name]
	return string(value), given
}

func (host *memory) Secret(name string) (string, bool) {
	value, given := host.secrets[name]
	return value, given && slices.Contains(host.manifest.secrets, name)
}

func (host *memory) NewID(table, seed string) string {
	return namedID("seed", host.manifest.name, table, seed)
}

func (host *memory) Log(level Level, message string, document uint32) {
	host.logs[document] = append(host.logs[document], line{level, message})
}

// after are the tables after the outcome of a document.
func (host *memory) after(id string, outcome Outcome) (after tables, failure *Failure) {
	own := host.manifest.table
	var changes Changes
	switch what := outcome.(type) {
	case Failure:
		return nil, &what
	case Edits:
		changes = changes.Edit(own, id, what)
	case replacing:
		changes = Changes{{kind: replacement, table: own, id: id, body: what.body}}
	case deleting:
		changes = changes.Delete(own, id)
	case Changes:
		changes = what
	}
	after = host.tables.clone()
	insertions := 0
	for _, change := range changes {
		if change.table != own && !slices.Contains(host.manifest.writes, change.table) {
			return nil, &Failure{Code: "not-granted", Message: "the migration does not declare that it writes " + change.table}
		}
		body, exists := after[change.table][change.id]
		if change.kind == insertion {
			derived := namedID("document", host.manifest.name, change.table, own, id, strconv.Itoa(insertions))
			insertions++
			if change.id != "" && exists {
				return nil, &Failure{Code: "duplicate-id", Message: fmt.Sprintf("there is a document %s in %s already", change.id, change.table)}
			}
			target := cmp.Or(change.id, derived)
			if _, exists := after[change.table][target]; !exists {
				after.put(change.table, target, change.body)
			}
			continue
		}
		if !exists {
			return nil, &Failure{Code: "unknown-document", Message: fmt.Sprintf("table %s has no document %s to change", change.table, change.id)}
		}
		switch change.kind {
		case editing:
			if body, failure = edited(body, change.edits); failure != nil {
				return nil, failure
			}
			after.put(change.table, change.id, body)
		case replacement:
			after.put(change.table, change.id, change.body)
		case deletion:
			delete(after[change.table], change.id)
		}
	}
	return after, nil
}

// namedID derives an id as the host does: a UUID of version 5.
func namedID(names ...string) string {
	namespace := [16]byte{0x3c, 0x72, 0xcf, 0x10, 0x53, 0xd8, 0x4a, 0x0a, 0x9b, 0xd1, 0xe6, 0xf8, 0x34, 0x8e, 0x47, 0x02}
	hash := sha1.Sum(append(namespace[:], encode(names, "")...))
	hash[6] = hash[6]&0x0f | 0x50
	hash[8] = hash[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", hash[:4], hash[4:6], hash[6:8], hash[8:10], hash[10:16])
}

// member is a member of an object, or an element of an array, whose name is empty.
type member struct {
	name  string
	value jsontext.Value
}

// split takes an object or an array apart, in order; nil for what is neither.
func split(value jsontext.Value) []member {
	kind := value.Kind()
	if kind != '{' && kind != '[' {
		return nil
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(value), asStored)
	members := []member{}
	_, _ = decoder.ReadToken()
	for decoder.PeekKind() != '}' && decoder.PeekKind() != ']' {
		var one member
		if kind == '{' {
			token, err := decoder.ReadToken()
			if err != nil {
				return nil
			}
			one.name = token.String()
		}
		inner, err := decoder.ReadValue()
		if err != nil {
			return nil
		}
		one.value = inner.Clone()
		members = append(members, one)
	}
	return members
}

// join is the reverse of split.
func join(kind jsontext.Kind, members []member) jsontext.Value {
	var text strings.Builder
	text.WriteByte(byte(kind))
	for place, member := range members {
		if place > 0 {
			text.WriteByte(',')
		}
		if kind == '{' {
			text.WriteString(encode(member.name, "") + ":")
		}
		text.Write(member.value)
	}
	text.WriteByte(byte(kind) + 2) // In ASCII both brackets close two behind where they open.
	return jsontext.Value(text.String())
}

// edited applies edits to a body.
func edited(body string, edits Edits) (string, *Failure) {
	value := jsontext.Value(body)
	for _, edit := range edits {
		taken := jsontext.Value(edit.value)
		to, resolves := edit.at, true
		if edit.kind != setEdit {
			if taken, resolves = follow(string(value), edit.at); resolves {
				value, resolves = changed(value, steps(edit.at), nil)
			}
			to = edit.value
		}
		if resolves && edit.kind != removeEdit {
			value, resolves = changed(value, steps(to), taken)
		}
		if !resolves {
			return "", &Failure{Code: "invalid-edit", Message: fmt.Sprintf("`%s` does not resolve", edit.at), Pointer: edit.at}
		}
	}
	return string(value), nil
}

func steps(pointer string) []string {
	if pointer == "" {
		return nil
	}
	keys := strings.Split(pointer[1:], "/")
	for place, key := range keys {
		keys[place] = strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
	}
	return keys
}

// changed is a value with another one at the end of the way, or, where that is nil, with none.
func changed(value jsontext.Value, way []string, to jsontext.Value) (jsontext.Value, bool) {
	if len(way) == 0 {
		return to, true
	}
	members := split(value)
	if members == nil {
		return nil, false
	}
	kind := value.Kind()
	place := slices.IndexFunc(members, func(one member) bool { return one.name == way[0] })
	if kind == '[' {
		place = len(members)
		if index, err := strconv.Atoi(way[0]); err == nil && index >= 0 && index <= len(members) {
			place = index
		} else if way[0] != "-" {
			return nil, false
		}
		if place == len(members) {
			place = -1
		}
	}
	if place < 0 {
		if to == nil || len(way) > 1 {
			return nil, false
		}
		return join(kind, append(members, member{way[0], to})), true
	}
	inner, resolves := changed(members[place].value, way[1:], to)
	if inner == nil {
		return join(kind, slices.Delete(members, place, place+1)), resolves
	}
	members[place].value = inner
	return join(kind, members), resolves
}

// meets tells whether a document meets all of these conditions.
func meets(body string, conditions []Condition) bool {
	return !slices.ContainsFunc(conditions, func(condition Condition) bool { return !holds(body, condition) })
}

func holds(body string, condition Condition) bool {
	value, found := follow(body, condition.at)
	same := func(text string) bool {
		order, comparable := compare(value, jsontext.Value(text))
		return found && comparable && order == 0
	}
	switch condition.test {
	case present:
		return found
	case missing:
		return !found
	case equals, oneOf:
		return slices.ContainsFunc(condition.values, same)
	case notEquals:
		return !slices.ContainsFunc(condition.values, same)
	default:
		order, comparable := compare(value, jsontext.Value(condition.values[0]))
		isOrdered := found && comparable && (value.Kind() == '0' || value.Kind() == '"')
		return isOrdered && (order < 0) == (condition.test == lessThan)
	}
}

// compare compares scalars: numbers by value, strings by their bytes; false for those of different kinds.
func compare(mine, theirs jsontext.Value) (int, bool) {
	if mine.Kind() != theirs.Kind() {
		return 0, false
	}
	switch mine.Kind() {
	case '0':
		a, _ := new(big.Rat).SetString(string(bytes.TrimSpace(mine)))
		b, _ := new(big.Rat).SetString(string(bytes.TrimSpace(theirs)))
		return a.Cmp(b), true
	case '"':
		var a, b string
		if json.Unmarshal(mine, &a, asStored) != nil || json.Unmarshal(theirs, &b, asStored) != nil {
			return 0, false
		}
		return strings.Compare(a, b), true
	case '{', '[':
		return 0, false
	default:
		return 0, true
	}
}
