#!/bin/sh
# Makes internal/ anew from the interface: `./generate.sh PKG`, PKG being the folder src/pkg of the crate wit-bindgen-go
# 0.63.0, which is the Go module that its bindings need. Needs wit-bindgen 0.63.0 (cargo install wit-bindgen-cli).
set -eu
cd "$(dirname "$0")"
rm -rf internal/wit internal/pkg
wit-bindgen go ../../wit --world reversible-migration --pkg-name migration/sdk/internal/wit --out-dir internal/wit --quiet
# Only what the bindings use.
mkdir -p internal/pkg/runtime internal/pkg/types
cp "$1/LICENSE" internal/pkg/
cp "$1/wit/runtime/runtime.go" "$1/wit/runtime/empty.s" internal/pkg/runtime/
cp "$1/wit/types/option.go" "$1/wit/types/result.go" "$1/wit/types/tuple.go" internal/pkg/types/
# The imports of the interfaces that only export nothing: nobody calls them.
rm -r internal/wit/imports/migration_plugin_transform internal/wit/imports/migration_plugin_revert
find internal/wit -name '*.go' -exec sed -i \
  -e 's|go.bytecodealliance.org/pkg/wit/|migration/sdk/internal/pkg/|' \
  -e 's|internal/wit/exports/export_migration_plugin_[a-z]*"|internal/exports"|' \
  -e 's|export_migration_plugin_[a-z]*\.|exports.|' {} +
exports=internal/wit/exports/wit_exports/wit_exports.go
awk '!/migration\/sdk\/internal\/exports"/ || !seen++' $exports >$exports.once
mv $exports.once $exports
gofmt -w internal
