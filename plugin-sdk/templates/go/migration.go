// Fills displayName from the part of email before the @.
package main

import (
	"strings"

	"migration/sdk"
)

// User has the fields that the migration reads. What it does not name stays what it is.
type User struct {
	Email string `json:"email"`
}

var migration = sdk.Migration[User]{
	Name:        "{{name}}",
	Description: "Fills displayName from the part of email before the @",
	Version:     1,
	Table:       "users",
	Filter:      []sdk.Condition{sdk.At("/displayName").Missing()},
	Transform: func(user User, ctx *sdk.Context) sdk.Outcome {
		name, _, found := strings.Cut(user.Email, "@")
		if !found || name == "" {
			return sdk.Fail("no-name", "email has nothing before an @").At("/email")
		}
		return sdk.Set{"displayName": name, "updatedAt": ctx.Now()}
	},
}

func init() { sdk.Export(migration) }

func main() {}
