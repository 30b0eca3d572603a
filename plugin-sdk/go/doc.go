// Package sdk writes data migrations: say what becomes of one document. Batches, transactions, resuming, concurrent
// writers, limits, undo and the report are the host's.
//
//	package main
//
//	import (
//		"strings"
//
//		"migration/sdk"
//	)
//
//	type User struct {
//		Email string `json:"email"`
//	}
//
//	var migration = sdk.Migration[User]{
//		Name:        "backfill-display-names",
//		Description: "Fills displayName from the part of email before the @",
//		Version:     1,
//		Table:       "users",
//		Filter:      []sdk.Condition{sdk.At("/displayName").Missing()},
//		Transform: func(user User, ctx *sdk.Context) sdk.Outcome {
//			name, _, found := strings.Cut(user.Email, "@")
//			if !found || name == "" {
//				return sdk.Fail("no-name", "email has nothing before an @").At("/email")
//			}
//			return sdk.Set{"displayName": name, "updatedAt": ctx.Now()}
//		},
//	}
//
//	func init() { sdk.Export(migration) }
//
//	func main() {}
//
// # Panics
//
// A panic is the failure of the document at hand, with its message and line. So is what the SDK itself panics with: a
// lookup that the host refuses, a value that JSON has not, a field that Require does not find. What Go cannot recover
// from (a stack that overflows, memory that is used up) traps; the host finds the document and quarantines it.
//
// # The sandbox
//
// There are no files, no network, no environment; output goes nowhere: log with the Context. The clock stands at the
// start of the run. Random numbers, those of crypto/rand too, are the same in every call: derive what must be unlike
// from the document's id.
package sdk
