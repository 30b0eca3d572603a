package sdk

// exported is the migration that the component is made of.
var exported Plugin

// Export makes a component of a migration. Call it in init, once; main stays empty. In a test it does nothing.
func Export(migration Plugin) { exported = migration }
