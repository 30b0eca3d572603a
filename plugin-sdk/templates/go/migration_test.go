package main

import (
	"testing"

	"migration/sdk"
)

func TestCases(t *testing.T) { sdk.TestCases(t, migration, "cases.jsonl") }
