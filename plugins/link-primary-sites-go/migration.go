// Gives participants without a site the primary site of their company.
package main

import (
	"encoding/json/jsontext"
	"fmt"

	"migration/sdk"
)

// Participant has what the migration reads. A company's key may be a number or a string, and keeps its spelling.
type Participant struct {
	Company jsontext.Value `json:"company_id"`
}

var migration = sdk.Migration[Participant]{
	Name:        "link-primary-sites",
	Description: "Gives participants without a site the primary site of their company",
	Version:     1,
	Table:       "participants",
	Filter:      []sdk.Condition{sdk.At("/site_id").Missing()},
	Reads:       []string{"sites"},
	Transform: func(participant Participant, ctx *sdk.Context) sdk.Outcome {
		if participant.Company == nil {
			return sdk.Fail("missing-field", "there is no /company_id").At("/company_id")
		}
		site := ctx.FindOne("sites",
			sdk.At("/company_id").Equals(participant.Company),
			sdk.At("/name").Equals("Primary"),
		)
		if site == nil {
			return sdk.Fail("no-primary-site", fmt.Sprintf("Participant %s: No Primary site", ctx.Document.ID))
		}
		return sdk.Set{"site_id": site.ID, "updated_at": ctx.Now()}
	},
}

func init() { sdk.Export(migration) }

func main() {}
