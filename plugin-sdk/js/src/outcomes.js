// What a migration answers, and how it becomes what the interface calls an outcome.

import { encode, parts, pointerTo } from "./json.js";

/** As a field's value: takes the field away. `undefined` does the same. */
export const REMOVE = Symbol("remove");

/** Why a document cannot be migrated. Throw it, from however deep, or return it. */
export class Failure extends Error {
  constructor(code, message, pointer) {
    super(message);
    this.name = "Failure";
    this.code = code;
    this.at = pointer;
  }
}

/** Puts the document into quarantine, with this reason; the run goes on. */
export function fail(code, message, pointer) {
  return new Failure(code, message, pointer);
}

/** An answer in the interface's own form. */
export class Outcome {
  constructor(wire) {
    this.wire = wire;
  }
}

/** Leaves the document alone; the report counts each reason. */
export function skip(reason) {
  return new Outcome({ tag: "skip", val: text(reason, "a reason") });
}

/** Writes the body anew; the host works out what really changed. */
export function replace(body) {
  return new Outcome({ tag: "replace", val: encode(body) });
}

/** Takes the document away. */
export function deletion() {
  return new Outcome({ tag: "delete" });
}

/** Edits, by JSON Pointer: for what is nested, and for moving values. */
class Edits extends Outcome {
  constructor() {
    super({ tag: "edit", val: [] });
  }

  #add(edit) {
    this.wire.val.push(edit);
    return this;
  }

  set(pointer, value) {
    parts(pointer);
    return this.#add({ tag: "set", val: [pointer, encode(value)] });
  }

  remove(pointer) {
    parts(pointer);
    return this.#add({ tag: "remove", val: pointer });
  }

  rename(from, to) {
    parts(from);
    parts(to);
    return this.#add({ tag: "rename", val: [from, to] });
  }
}

/** Begins a list of edits. */
export function edits() {
  return new Edits();
}

/** Changes to this document and to others: made together, or not at all. */
class Changes extends Outcome {
  constructor() {
    super({ tag: "changes", val: [] });
  }

  #add(change) {
    this.wire.val.push(change);
    return this;
  }

  insert(table, body) {
    return this.#add({ tag: "insert", val: { table: text(table, "a table"), id: undefined, body: encode(body) } });
  }

  insertAs(table, id, body) {
    const val = { table: text(table, "a table"), id: text(id, "an id"), body: encode(body) };
    return this.#add({ tag: "insert", val });
  }

  edit(table, id, fields) {
    const list = fields instanceof Edits ? fields.wire.val : ofFields(fields);
    return this.#add({ tag: "edit", val: [reference(table, id), list] });
  }

  replace(table, id, body) {
    return this.#add({ tag: "replace", val: [reference(table, id), encode(body)] });
  }

  delete(table, id) {
    return this.#add({ tag: "delete", val: reference(table, id) });
  }
}

/** Begins a list of changes. */
export function changes() {
  return new Changes();
}

function reference(table, id) {
  return { table: text(table, "a table"), id: text(id, "an id") };
}

/** A text for the interface, whose texts are UTF-8. */
export function text(value, what) {
  if (typeof value !== "string") throw new Failure("invalid-value", `${what} is a text, not ${shown(value)}`);
  return wellFormed(value);
}

function shown(value) {
  return value === null || typeof value !== "object" ? String(value) : "an object";
}

/** A text with what UTF-8 cannot spell replaced. */
export function wellFormed(value) {
  return value.toWellFormed();
}

/** The edits of another document's top-level fields. */
function ofFields(fields) {
  return Object.entries(fields).map(([field, value]) => edit(field, value));
}

function edit(field, value) {
  return isRemoval(value)
    ? { tag: "remove", val: pointerTo(field) }
    : { tag: "set", val: [pointerTo(field), encode(value)] };
}

function isRemoval(value) {
  return value === undefined || value === REMOVE;
}

/** What `transform` returned, as an outcome. `document` is what it was given of the original. */
export function outcomeOf(answer, document, original) {
  if (answer?.constructor !== Object) {
    if (answer instanceof Outcome) return answer.wire;
    if (answer instanceof Failure) return failed(answer);
    const isFields = answer !== null && typeof answer === "object" && !Array.isArray(answer);
    if (!isFields || typeof answer.then === "function") {
      throw new Failure("no-outcome", `it returned ${returned(answer)}; return the fields that change, or skip("reason")`);
    }
  }
  return { tag: "edit", val: changed(answer, document, original) };
}

function returned(answer) {
  if (answer !== null && typeof answer === "object") return Array.isArray(answer) ? "an array" : "a promise";
  return answer === undefined ? "nothing" : String(answer);
}

/**
 * The edits that give the document these top-level fields.
 *
 * What was only passed through is no edit, or its numbers would be spelled as JavaScript spells them. The
 * document at hand may have been changed on the way, so it is held against the original.
 */
function changed(fields, document, original) {
  const list = [];
  const names = Object.keys(fields);
  for (let index = 0; index < names.length; index += 1) {
    const field = names[index];
    const value = fields[field];
    if (typeof value === "string" && original.isPlain && !original.isWhole) {
      // There it has only one spelling: where it is the same as before, the host sees no change.
      list.push({ tag: "set", val: [pointerTo(field), JSON.stringify(value)] });
    } else if (isRemoval(value)) {
      if (!original.lacks(field) && Object.hasOwn(original.value, field)) list.push({ tag: "remove", val: pointerTo(field) });
    } else if (original.lacks(field) || !isSame(field, value, document, original.value)) {
      list.push({ tag: "set", val: [pointerTo(field), encode(value)] });
    }
  }
  if (fields === document) {
    for (const field of Object.keys(original.value)) {
      if (!Object.hasOwn(document, field)) list.push({ tag: "remove", val: pointerTo(field) });
    }
  }
  return list;
}

/** Whether a field's value is the document's, and what it was. */
function isSame(field, value, document, original) {
  if (!Object.hasOwn(document, field) || document[field] !== value) return false;
  return Object.hasOwn(original, field) && encode(original[field]) === encode(value);
}

/** A failure, as an outcome. */
export function failed({ code, message, at }) {
  const val = { code: wellFormed(String(code)), message: wellFormed(String(message)), at: undefined };
  if (at !== undefined && at !== null) val.at = wellFormed(String(at));
  return { tag: "fail", val };
}
