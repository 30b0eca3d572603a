// A migration: what it says of itself, and one document after the other.

import { Context } from "./context.js";
import { Original } from "./document.js";
import { Failure, failed, outcomeOf, text } from "./outcomes.js";

const MEMBERS = new Set([
  "name",
  "description",
  "version",
  "runAfter",
  "table",
  "filter",
  "reads",
  "writes",
  "secrets",
  "transform",
  "revert",
]);

/** Declares a migration. It is the default export of a project. */
export function migration(definition) {
  for (const member of Object.keys(definition)) {
    if (!MEMBERS.has(member)) throw new TypeError(`a migration has no \`${member}\``);
  }
  for (const member of ["name", "table"]) {
    if (typeof definition[member] !== "string") throw new TypeError(`a migration has a \`${member}\`, a string`);
  }
  if (typeof definition.transform !== "function") throw new TypeError("a migration has a function `transform`");
  return new Migration(definition);
}

/** A migration as the component and the tests know it. */
export class Migration {
  #definition;

  constructor(definition) {
    this.#definition = definition;
  }

  get definition() {
    return this.#definition;
  }

  get isReversible() {
    return typeof this.#definition.revert === "function";
  }

  manifest() {
    const { name, description = "", version = 0, table } = this.#definition;
    const { runAfter = [], filter = [], reads = [], writes = [], secrets = [] } = this.#definition;
    return { name, description, version, runAfter, table, filter, reads, writes, secrets };
  }

  /** The outcome of one document, by its `transform` or `revert`. */
  outcome(work, { id, body }, host) {
    try {
      const original = new Original(body);
      const document = host.isLazy ? original.lazily() : original.parse();
      const context = new Context(id, body, host);
      return outcomeOf(this.#definition[work](document, context), document, original);
    } catch (error) {
      return this.thrown(error, host);
    }
  }

  /** The outcome of a document at which this was thrown. */
  thrown(error, host) {
    if (isExhausted(error)) throw error;
    return failed(error instanceof Failure ? error : unforeseen(error, host));
  }

  /** The outcome of a document of which this was returned. Whether it was parsed: then it may have been changed. */
  settled(answer, document, body, isWhole, host) {
    try {
      const original = new Original(body);
      original.isWhole = isWhole;
      return outcomeOf(answer, document, original);
    } catch (error) {
      return this.thrown(error, host);
    }
  }
}

/**
 * Whether memory ran out. Whatever took it is still held, so that the documents that follow would fail, too: the
 * host finds the one that is to blame, and gives each of the others a fresh instance.
 */
function isExhausted(error) {
  // StarlingMonkey throws a mere text.
  return error === "out of memory" || (error instanceof Error && error.name === "InternalError" && /memory/.test(error.message));
}

/** A failure of an exception that the migration did not mean. */
function unforeseen(error, host) {
  if (!(error instanceof Error)) return { code: "error", message: `threw ${describe(error)}` };
  const place = host.place(error);
  const message = `${error.name}: ${error.message}`;
  return { code: "error", message: place === undefined ? message : `${message} (${place})` };
}

function describe(thrown) {
  try {
    return text(JSON.stringify(thrown) ?? String(thrown), "what was thrown");
  } catch {
    return `a ${typeof thrown}`;
  }
}
