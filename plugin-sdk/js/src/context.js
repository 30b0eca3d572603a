// What a migration knows besides its document.

import { encode, textAt, raw } from "./json.js";
import { Failure, text } from "./outcomes.js";

/** How many documents a lookup finds at most, unless it says. */
const LIMIT = 100;

/** The text of the document at hand, and what answers: an engine may have its own way to give them. */
export const BODY = Symbol("body");
export const HOST = Symbol("host");

export class Context {
  constructor(id, body, host) {
    this.id = id;
    this[BODY] = body;
    this[HOST] = host;
  }

  get log() {
    const line = (level) => (...words) => this[HOST].log(level, words.map(word).join(" "));
    return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
  }

  get now() {
    return this[HOST].now();
  }

  get nowText() {
    return new Date(this.now).toISOString();
  }

  raw(pointer) {
    const found = textAt(this[BODY], pointer);
    return found === undefined ? undefined : raw(found);
  }

  param(name) {
    const found = this[HOST].param(text(name, "a parameter's name"));
    return found == null ? undefined : JSON.parse(found);
  }

  secret(name) {
    return this[HOST].secret(text(name, "a secret's name")) ?? undefined;
  }

  newId(table, seed) {
    return this[HOST].newId(text(table, "a table"), text(seed, "a seed"));
  }

  get(table, id) {
    return this.getMany(table, [id])[0];
  }

  getMany(table, ids) {
    const found = this[HOST].getMany(
      text(table, "a table"),
      ids.map((id) => text(id, "an id")),
    );
    return found.map((document) => (document == null ? undefined : parsed(document)));
  }

  find(table, conditions, limit = LIMIT) {
    const list = Array.isArray(conditions) ? conditions : [conditions];
    if (!Number.isInteger(limit) || limit < 0) throw new Failure("error", `${limit} is no number of documents`);
    return this[HOST].find(text(table, "a table"), list, limit).map(parsed);
  }

  findOne(table, conditions) {
    return this.find(table, conditions, 1)[0];
  }
}

function parsed({ id, body }) {
  return { id, doc: JSON.parse(body) };
}

/** A word of a log line. */
export function word(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return encode(value);
  } catch {
    return String(value);
  }
}
