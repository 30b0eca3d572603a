// The component: the interface on one side, a migration on the other. `build.mjs` joins the two.

import * as context from "migration:plugin/context@0.1.0";
import * as log from "migration:plugin/log@0.1.0";
import * as lookup from "migration:plugin/lookup@0.1.0";

import { word } from "./context.js";
import { Migration } from "./migration.js";
import { Failure } from "./outcomes.js";
import { placeOf } from "./places.js";

/** The place of the document at hand in its batch; undefined while none is. */
let current;

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
  const host = { ...imports, place: (error) => placeOf(error, lines) };
  const work = (name) => (documents) => {
    const outcomes = documents.map((document, place) => {
      current = place;
      return definition.outcome(name, document, host);
    });
    current = undefined;
    return outcomes;
  };
  return { describe: () => definition.manifest(), transform: work("transform"), revert: work("revert") };
}

const imports = {
  now: () => Number(context.now()),
  param: context.param,
  secret: context.secret,
  newId: context.newId,
  log: (level, message) => log.emit(level, message, current),
  getMany: (table, ids) => answered(() => lookup.getMany(table, ids)),
  find: (table, conditions, limit) => answered(() => lookup.findMany(table, [conditions], limit)[0]),
};

/** A lookup's answer; its error as a failure. */
function answered(ask) {
  try {
    return ask();
  } catch (error) {
    const { tag, val } = error?.payload ?? error;
    throw new Failure(`lookup-${tag}`, `the lookup was not answered: ${val}`);
  }
}

// What JavaScript has and a sandbox does not. A document's outcome depends on nothing but what it is given, so
// that it is the same whenever the document is transformed again.

const SystemDate = globalThis.Date;

/** The run's now. While the component is being built there is none. */
function now() {
  if (current === undefined) throw new Error("there is no clock while the plugin is loaded");
  return imports.now();
}

globalThis.Date = new Proxy(SystemDate, {
  construct: (target, words, self) => Reflect.construct(target, words.length === 0 ? [now()] : words, self),
  apply: () => new SystemDate(now()).toString(),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
SystemDate.prototype.constructor = globalThis.Date;

const { random } = Math;
Math.random = () => {
  if (current === undefined) return random();
  throw new Error("there is no chance in a migration: make ids with ctx.newId(table, seed)");
};

const line =
  (level) =>
  (...words) =>
    imports.log(level, words.map(word).join(" "));
globalThis.console = {
  log: line("info"),
  info: line("info"),
  debug: line("debug"),
  trace: line("debug"),
  warn: line("warn"),
  error: line("error"),
  assert: (holds, ...words) => {
    if (!holds) line("error")("assertion failed:", ...words);
  },
};
