// The component: the interface on one side, a migration on the other. `build.mjs` joins the two.

// First: what the project's modules find when they are loaded.
import "./platform.js";

import { forEach, host } from "./host.js";
import { Migration } from "./migration.js";
import { placeOf } from "./places.js";

/** The functions that a component of this migration exports. */
export function exported(definition, world, lines) {
  if (!(definition instanceof Migration)) {
    throw new TypeError("the project's default export is no migration: write `export default migration({ … })`");
  }
  if (definition.isReversible !== (world === "reversible-migration")) {
    throw new TypeError(
      definition.isReversible
        ? 'the migration has a `revert`: write `world = "reversible-migration"` into plugin.toml'
        : "the migration has no `revert`, but plugin.toml says that it is reversible",
    );
  }
  const known = { ...host, isLazy: true, place: (error) => placeOf(error, lines) };
  const work = (name) => (documents) => forEach(documents, (document) => definition.outcome(name, document, known));
  return { describe: () => definition.manifest(), transform: work("transform"), revert: work("revert") };
}
