package sdk

import (
	"encoding/json/jsontext"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func runOn(transform func(*Document, *Context) Outcome, facts map[string]string, bodies ...string) ([]Outcome, *memory) {
	migration := Migration[*Document]{Name: "test", Table: "things", Reads: []string{"facts"}, Lookups: 3, Transform: transform}
	host := &memory{manifest: migration.manifest(), tables: tables{"facts": facts}, logs: map[uint32][]line{}}
	var documents []*Document
	for _, body := range bodies {
		documents = append(documents, &Document{ID: "d", Body: body})
	}
	return migration.run(documents, false, host), host
}

func failureOf(t *testing.T, transform func(*Document, *Context) Outcome, body string) Failure {
	t.Helper()
	outcomes, _ := runOn(transform, nil, body)
	failure, failed := outcomes[0].(Failure)
	if !failed {
		t.Fatalf("no failure: %#v", outcomes[0])
	}
	return failure
}

func TestPanicsAreFailures(t *testing.T) {
	for want, cause := range map[string]func(){
		"panic":             func() { panic("thrown") },
		"refused":           func() { panic(Fail("refused", "m")) },
		"missing-field":     func() { Require[string](&Document{Body: "{}"}, "/a") },
		"invalid-field":     func() { Require[string](&Document{Body: `{"a":5}`}, "/a") },
		"invalid-value":     func() { Edits{}.Set("/a", math.NaN()) },
		"invalid-parameter": nil,
	} {
		failure := failureOf(t, func(_ *Document, ctx *Context) Outcome {
			if cause == nil {
				ctx.host.(*memory).params = map[string]jsontext.Value{"n": jsontext.Value(`"x"`)}
				Param[int](ctx, "n")
			} else {
				cause()
			}
			return nil
		}, "{}")
		if failure.Code != want {
			t.Errorf("%s: %+v", want, failure)
		}
	}
	failure := failureOf(t, func(*Document, *Context) Outcome {
		var none map[string]int
		none["a"] = 1
		return nil
	}, "{}")
	if failure.Message != "assignment to entry in nil map" {
		t.Errorf("%+v", failure)
	}
	failure = failureOf(t, func(*Document, *Context) Outcome { return nil }, "{}")
	if failure.Code != "invalid-outcome" {
		t.Errorf("%+v", failure)
	}
}

func TestWhatDoesNotFitTheStructIsNamed(t *testing.T) {
	migration := Migration[struct {
		Tags []string `json:"tags"`
	}]{}
	host := &memory{logs: map[uint32][]line{}}
	outcomes := migration.run([]*Document{{Body: `{"tags":["a",5]}`}}, false, host)
	failure, _ := outcomes[0].(Failure)
	if failure.Code != "invalid-document" || failure.Pointer != "/tags/1" {
		t.Errorf("%#v", outcomes[0])
	}
}

func TestNumbersKeepTheirSpelling(t *testing.T) {
	document := &Document{Body: `{"price":6.10,"big":9007199254740993,"huge":1e400,"Price":1,"price":7.0}`}
	var body struct {
		Price jsontext.Value `json:"price"`
		Big   int64          `json:"big"`
		Huge  jsontext.Value `json:"huge"`
	}
	if err := document.Parse(&body); err != nil {
		t.Fatal(err)
	}
	edits := Set{"a": body.Price, "b": body.Big + 1, "c": body.Huge}.edits(document)
	got := []string{edits[0].value, edits[1].value, edits[2].value}
	if !slices.Equal(got, []string{"7.0", "9007199254740994", "1e400"}) {
		t.Error(got)
	}
}

func TestFieldsAreSetInOrderAndRemovedWhereTheyAre(t *testing.T) {
	outcomes, _ := runOn(func(*Document, *Context) Outcome {
		return Set{"b/~": "<é>", "a": nil, "old": Remove, "none": Remove}
	}, nil, `{"old":1}`)
	want := Edits{{setEdit, "/a", "null"}, {setEdit, "/b~1~0", `"<é>"`}, {removeEdit, "/old", ""}}
	if got, _ := outcomes[0].(Edits); !slices.Equal(got, want) {
		t.Errorf("%#v", outcomes[0])
	}
}

func TestABatchAsksOnceForEachLinkOfItsChain(t *testing.T) {
	facts := map[string]string{"a": `{"next":"b"}`, "b": `{"next":"c"}`, "c": "{}"}
	outcomes, host := runOn(func(document *Document, ctx *Context) Outcome {
		// A plugin that recovers from everything waits all the same.
		defer func() { _ = recover() }()
		first := ctx.Get("facts", Require[string](document, "/fact"))
		second := ctx.Get("facts", Require[string](first, "/next"))
		ctx.Info("seen")
		return Skip(second.ID)
	}, facts, `{"fact":"a"}`, `{"fact":"b"}`, `{"fact":"a"}`)
	for place, want := range []string{"b", "c", "b"} {
		if outcomes[place] != Skip(want) {
			t.Errorf("%d: %#v", place, outcomes[place])
		}
	}
	if host.calls != 2 || len(host.logs) != 3 || len(host.logs[0]) != 1 {
		t.Error(host.calls, host.logs)
	}
}

func TestLookupsAreCountedAndImpureTransformsFound(t *testing.T) {
	failure := failureOf(t, func(_ *Document, ctx *Context) Outcome {
		for {
			ctx.Get("facts", "a")
		}
	}, "{}")
	if failure.Code != "too-many-lookups" {
		t.Errorf("%+v", failure)
	}
	seen := ""
	failure = failureOf(t, func(_ *Document, ctx *Context) Outcome {
		seen += "x"
		ctx.Get("facts", seen)
		return Skip("r")
	}, "{}")
	if failure.Code != "impure" {
		t.Errorf("%+v", failure)
	}
	failure = failureOf(t, func(_ *Document, ctx *Context) Outcome {
		ctx.Find("elsewhere", 1)
		return Skip("r")
	}, "{}")
	if failure.Code != "lookup-not-granted" {
		t.Errorf("%+v", failure)
	}
}

func TestConditionsCompareByValue(t *testing.T) {
	body := `{"n":1.0,"big":9007199254740993,"text":"b","none":null,"a":{"b":[5]}}`
	for _, one := range []struct {
		condition Condition
		holds     bool
	}{
		{At("/n").Equals(1), true},
		{At("/n").Equals("1"), false},
		{At("/n").Equals(true), false},
		{At("/big").Equals(9007199254740992), false},
		{At("/big").AtLeast(9007199254740993), true},
		{At("/text").LessThan("c"), true},
		{At("/text").LessThan(5), false},
		{At("/text").OneOf("a", "b"), true},
		{At("/none").IsNull(), true},
		{At("/none").Missing(), false},
		{At("/x").Missing(), true},
		{At("/x").NotEquals(1), true},
		{At("/x").IsNull(), false},
		{At("/a/b/0").Equals(5), true},
	} {
		if meets(body, []Condition{one.condition}) != one.holds {
			t.Errorf("%+v", one.condition)
		}
	}
}

func TestAnyErrorMayBePanickedWith(t *testing.T) {
	failure := failureOf(t, func(*Document, *Context) Outcome { panic(errors.Join(errors.New("a"), Fail("inner", "b"))) }, "{}")
	if failure.Code != "inner" {
		t.Errorf("%+v", failure)
	}
	failure = failureOf(t, func(*Document, *Context) Outcome { panic(errors.New("plain")) }, "{}")
	if failure.Code != "panic" || !strings.HasPrefix(failure.Message, "plain") {
		t.Errorf("%+v", failure)
	}
}
