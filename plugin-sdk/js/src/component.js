// The component: the interface on one side, a migration on the other. `build.mjs` joins the two.

// First: what the project's modules find when they are loaded.
import "./platform.js";

import { forEach, host } from "./host.js";
import { Migration } from "./migration.js";
import { placeOf } from "./places.js";

/** The migration that a project exports, which fits what its `plugin.toml` says. */
export function checked(definition, world) {
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
  return definition;
}

/** What a component knows of its host, and of the lines of its source. */
export function known(lines) {
  return { ...host, isLazy: true, place: (error) => placeOf(error, lines) };
}

/** The functions that a component of this migration exports. */
export function exported(definition, world, lines) {
  const migration = checked(definition, world);
  const host = known(lines);
  const work = (name) => (documents) => forEach(documents, (document) => migration.outcome(name, document, host));
  return { describe: () => migration.manifest(), transform: work("transform"), revert: work("revert") };
}
