// Package exports is what the bindings call, and the SDK implements.
package exports

import types "migration/sdk/internal/wit/imports/migration_plugin_types"

// What the component exports.
var (
	Describe  func() types.Manifest
	Transform func([]types.Document) []types.Outcome
	Revert    func([]types.Document) []types.Outcome
)
