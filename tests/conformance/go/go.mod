module conformance

go 1.27

require migration/sdk v0.0.0

replace migration/sdk => ../../../plugin-sdk/go
