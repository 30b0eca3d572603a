//go:build !wasip1

package sdk

import (
	"bufio"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCase is a case as `host test` reads it.
type testCase struct {
	Name      string                               `json:"name"`
	Document  jsontext.Value                       `json:"document"`
	ID        string                               `json:"id"`
	Documents map[string]jsontext.Value            `json:"documents"`
	Tables    map[string]map[string]jsontext.Value `json:"tables"`
	Params    map[string]jsontext.Value            `json:"params"`
	Secrets   map[string]string                    `json:"secrets"`
	Now       jsontext.Value                       `json:"now"`
	Revert    bool                                 `json:"revert"`
	Expect    jsontext.Value                       `json:"expect"`
	Again     string                               `json:"again"`
}

// whenNoneIsGiven is the run's now in a case that names none.
const whenNoneIsGiven = 1_700_000_000_000

// came is what became of a document, by what is expected of it: "document", "skip", "fail", "logs" and so on.
type came map[string]any

// TestCases checks all cases in a file of JSON lines natively: those that `host test` runs in the sandbox. It is no part
// of a component.
//
//	func TestCases(t *testing.T) { sdk.TestCases(t, migration, "cases.jsonl") }
func TestCases(t *testing.T, migration Plugin, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for number := 1; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		one := testCase{Name: fmt.Sprintf("%s, line %d", path, number), ID: "1"}
		if err := json.Unmarshal(lines.Bytes(), &one, asStored, json.RejectUnknownMembers(true)); err != nil {
			t.Fatalf("%s, line %d: %s", path, number, err)
		}
		t.Run(one.Name, func(t *testing.T) { one.check(t, migration) })
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func (one testCase) check(t *testing.T, migration Plugin) {
	bodies, expected := one.Documents, map[string]jsontext.Value{}
	if bodies == nil {
		bodies = map[string]jsontext.Value{one.ID: one.Document}
		expected[one.ID] = one.Expect
	} else if err := json.Unmarshal(one.Expect, &expected); err != nil {
		t.Fatal("expect: ", err)
	}
	results, afters := one.run(t, migration, bodies, nil)
	if len(results) != len(expected) {
		t.Fatalf("%d documents are expected, and there are %d", len(expected), len(results))
	}
	for _, id := range slices.Sorted(maps.Keys(results)) {
		want, got := shown(expected[id], results[id])
		if want != got {
			t.Errorf("document %s\nexpected: %s\n     got: %s", id, want, got)
		}
	}
	if again, _ := one.run(t, migration, bodies, nil); encode(again, "") != encode(results, "") {
		t.Errorf("the second time something else came out: %s", encode(again, ""))
	}
	if one.Again == "changes" || one.Revert {
		return
	}
	for id, after := range afters {
		body, exists := after[migration.manifest().table][id]
		if !exists {
			continue
		}
		again, _ := one.run(t, migration, map[string]jsontext.Value{id: jsontext.Value(body)}, after)
		if again[id]["skip"] == nil && again[id]["passed_over"] == nil {
			t.Errorf("applied to its own result it does not skip: %s", encode(again[id], ""))
		}
	}
}

// run tells what became of each document, and the tables after each that changed something.
func (one testCase) run(t *testing.T, migration Plugin, bodies map[string]jsontext.Value, before tables) (map[string]came, map[string]tables) {
	manifest := migration.manifest()
	if before == nil {
		before = tables{}
		for table, documents := range one.Tables {
			for id, body := range documents {
				before.put(table, id, canonical(body))
			}
		}
	}
	host := &memory{
		manifest: manifest, tables: before, now: one.now(t), params: one.Params, secrets: one.Secrets,
		logs: map[uint32][]line{},
	}
	results, afters := map[string]came{}, map[string]tables{}
	var documents []*Document
	for _, id := range slices.Sorted(maps.Keys(bodies)) {
		body := canonical(bodies[id])
		before.put(manifest.table, id, body)
		if one.Revert || meets(body, manifest.filter) {
			documents = append(documents, &Document{ID: id, Body: body})
		} else {
			results[id] = came{"passed_over": true}
		}
	}
	for place, outcome := range migration.run(documents, one.Revert, host) {
		id := documents[place].ID
		result := came{}
		if skipped, isSkip := outcome.(skipping); isSkip {
			result["skip"] = skipped.reason
		} else if after, failure := host.after(id, outcome); failure != nil {
			fail := map[string]any{"code": failure.Code, "message": failure.Message, "at": nil}
			if failure.Pointer != "" {
				fail["at"] = failure.Pointer
			}
			result["fail"] = fail
		} else {
			afters[id] = after
			result = differences(before, after, manifest.table, id)
		}
		logs := []map[string]string{}
		for _, line := range host.logs[uint32(place)] {
			level := [...]string{LevelDebug: "debug", LevelInfo: "info", LevelWarn: "warn", LevelError: "error"}[line.level]
			logs = append(logs, map[string]string{level: line.message})
		}
		result["logs"] = logs
		results[id] = result
	}
	return results, afters
}

func (one testCase) now(t *testing.T) uint64 {
	switch one.Now.Kind() {
	case '0':
		var now uint64
		if err := json.Unmarshal(one.Now, &now); err != nil {
			t.Fatal("now: ", err)
		}
		return now
	case '"':
		var now time.Time
		if err := json.Unmarshal(one.Now, &now); err != nil {
			t.Fatal("now: ", err)
		}
		return uint64(now.UnixMilli())
	default:
		return whenNoneIsGiven
	}
}

// differences are the documents that an outcome changed.
func differences(before, after tables, own, ownID string) came {
	result, others := came{}, map[string]map[string]any{}
	compare := func(table, id string) {
		old, had := before[table][id]
		body, has := after[table][id]
		if had == has && old == body {
			return
		}
		var value any
		if has {
			value = jsontext.Value(canonical(jsontext.Value(body)))
		}
		if table == own && id == ownID {
			result["document"] = value
			return
		}
		if others[table] == nil {
			others[table] = map[string]any{}
		}
		others[table][id] = value
	}
	for _, all := range []tables{before, after} {
		for table, documents := range all {
			for id := range documents {
				compare(table, id)
			}
		}
	}
	if len(others) > 0 {
		result["tables"] = others
	}
	if len(result) == 0 {
		result["skip"] = "unchanged"
	}
	return result
}

// shown are what is expected and what came out, as texts to compare: only what is expected counts of logs and failures.
func shown(expected jsontext.Value, result came) (string, string) {
	var want map[string]jsontext.Value
	if err := json.Unmarshal(expected, &want); err != nil {
		return string(expected), encode(result, "")
	}
	got := maps.Clone(result)
	if _, counts := want["logs"]; !counts {
		delete(got, "logs")
	}
	if string(want["skip"]) == "true" && got["skip"] != nil {
		got["skip"] = true
	}
	if fail, failed := got["fail"].(map[string]any); failed && want["fail"] != nil {
		var named map[string]jsontext.Value
		if json.Unmarshal(want["fail"], &named) == nil {
			fail = maps.Clone(fail)
			maps.DeleteFunc(fail, func(member string, _ any) bool { _, counts := named[member]; return !counts })
			got["fail"] = fail
			want["fail"] = jsontext.Value(encode(named, ""))
		}
	}
	if tables, changes := want["tables"]; changes {
		var named map[string]map[string]jsontext.Value
		if json.Unmarshal(tables, &named) == nil {
			want["tables"] = jsontext.Value(encode(named, ""))
		}
	}
	return canonical(jsontext.Value(encode(want, ""))), canonical(jsontext.Value(encode(got, "")))
}

// canonical is a value without white space, and with its strings escaped in one way: order and numbers stay.
func canonical(value jsontext.Value) string {
	made := value.Clone()
	if err := made.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return string(value)
	}
	return string(made)
}
