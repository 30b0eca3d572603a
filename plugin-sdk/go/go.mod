module migration/sdk

go 1.27
