// What the host offers, as the rest of the SDK asks for it.

import * as context from "migration:plugin/context@0.1.0";
import * as log from "migration:plugin/log@0.1.0";
import * as lookup from "migration:plugin/lookup@0.1.0";

import { Failure } from "./outcomes.js";

/** The place of the document at hand in its batch; undefined while there is none, as when the plugin is loaded. */
let current;

/** The run's now, once somebody asked: it stays the same, and asking for it costs more than making an edit. */
let now;

/** Does something for each document, which is then the one at hand. */
export function forEach(documents, work) {
  const results = documents.map((document, place) => {
    current = place;
    return work(document);
  });
  current = undefined;
  return results;
}

let place = () => current;

/** Has an engine that gives out the documents itself tell the place. */
export function placedBy(other) {
  place = other;
}

/** Whether a document is at hand. */
export function isAtWork() {
  return place() !== undefined;
}

export const host = {
  // One engine gives a BigInt.
  now: () => (now ??= Number(context.now())),
  param: (name) => context.param(name),
  secret: (name) => context.secret(name),
  newId: (table, seed) => context.newId(table, seed),
  log: (level, message) => log.emit(level, message, place()),
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
