// Does what its document says.
package main

import (
	"os"

	"migration/sdk"
)

var migration = sdk.Migration[*sdk.Document]{
	Name:        "conformance",
	Description: "Does what its document says",
	Version:     1,
	Table:       "things",
	Filter:      []sdk.Condition{sdk.At("/do").Present()},
	Reads:       []string{"facts"},
	Writes:      []string{"others"},
	Secrets:     []string{"KEY"},
	Transform:   transform,
	Revert: func(thing *sdk.Document, ctx *sdk.Context) sdk.Outcome {
		if !thing.Has("/done") {
			return sdk.Skip("not done")
		}
		return sdk.Set{"done": sdk.Remove}
	},
}

func init() { sdk.Export(migration) }

func main() {}

func transform(thing *sdk.Document, ctx *sdk.Context) sdk.Outcome {
	text := func(pointer string) string { return sdk.Require[string](thing, pointer) }
	switch text("/do") {
	case "skip":
		return sdk.Skip(text("/reason"))
	case "set":
		return sdk.Set{
			"flag": true, "list": []any{1, "two", nil}, "nothing": nil, "number": 42,
			"object": map[string]any{"a": map[string]any{"b": 1.5}}, "text": "text",
		}
	case "nested":
		return sdk.Edits{}.Set("/address/city", "Paris")
	case "append":
		return sdk.Edits{}.Set("/list/-", "x")
	case "touch":
		return sdk.Set{"touched": true}
	case "copy":
		return sdk.Set{"copy": text("/text")}
	case "count":
		return sdk.Set{"n": sdk.Require[int64](thing, "/n") + 1}
	case "remove":
		if !thing.Has("/old") {
			return sdk.Skip("nothing to remove")
		}
		return sdk.Set{"old": sdk.Remove}
	case "rename":
		if !thing.Has("/old") {
			return sdk.Skip("nothing to rename")
		}
		return sdk.Edits{}.Rename("/old", "/new")
	case "replace":
		return sdk.Replace(map[string]any{"do": "replaced", "text": text("/text")})
	case "replaced":
		return sdk.Skip("replaced")
	case "delete":
		return sdk.Delete()
	case "changes":
		if thing.Has("/done") {
			return sdk.Skip("done")
		}
		return sdk.Changes{}.
			Set("things", thing.ID, sdk.Set{"done": true}).
			Insert("others", map[string]any{"from": thing.ID}).
			InsertAs("others", "given", map[string]any{"given": true}).
			Set("others", "edited", sdk.Set{"seen": true}).
			Replace("others", "replaced", map[string]any{"new": true}).
			Delete("others", "deleted")
	case "fail":
		return sdk.Fail("refused", "not this one").At("/do")
	case "get":
		fact := ctx.Get("facts", text("/fact"))
		if fact == nil {
			return sdk.Fail("no-fact", "no such fact").At("/fact")
		}
		return sdk.Set{"value": sdk.Require[string](fact, "/value")}
	case "find":
		ids := []string{}
		for _, fact := range ctx.Find("facts", 2, sdk.At("/kind").Equals(text("/kind"))) {
			ids = append(ids, fact.ID)
		}
		return sdk.Set{"found": ids}
	case "ungranted":
		return sdk.Set{"found": ctx.Get("elsewhere", "1") != nil}
	case "param":
		phase, given := sdk.Param[string](ctx, "phase")
		if !given {
			return sdk.Skip("no phase")
		}
		return sdk.Set{"phase": phase}
	case "secret":
		secret, given := ctx.Secret("KEY")
		if !given {
			return sdk.Skip("no secret")
		}
		return sdk.Set{"secret": secret}
	case "now":
		return sdk.Set{"at": ctx.Now()}
	case "new-id":
		return sdk.Set{"ref": ctx.NewID("others", text("/seed"))}
	case "log":
		ctx.Debug("one")
		ctx.Info("two")
		ctx.Warn("three")
		ctx.Error("four")
		return sdk.Skip("logged")
	case "throw":
		panic("thrown")
	case "trap":
		os.Exit(3)
	case "loop":
		for {
		}
	case "recurse":
		return sdk.Set{"depth": deeper(0)}
	case "leak":
		var kept [][]byte
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	}
	return sdk.Fail("unknown", "cannot do that").At("/do")
}

func deeper(depth int) int { return deeper(depth+1) + 1 }
