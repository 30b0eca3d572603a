/** A value that can be written as JSON. A `bigint` is written with all its digits. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Raw
  | readonly Value[]
  | { readonly [field: string]: Value | undefined };

/** A JSON text that is passed on as it is spelled; made by `raw` and `ctx.raw`. */
export interface Raw {
  readonly text: string;
}

/** A JSON Pointer (RFC 6901), such as `/address/city`. */
export type Pointer = "" | `/${string}`;

/** A condition of a filter or a lookup; made by `at`. */
export interface Condition {
  readonly at: Pointer;
}

/** What becomes of a document; made by `skip`, `edits`, `replace`, `deletion` and `changes`. */
export interface Outcome {
  readonly wire: unknown;
}

/** As a field's value: takes the field away. `undefined` does the same. */
export const REMOVE: unique symbol;

/** Top-level fields and their new values. What is not named keeps its exact bytes. */
export type Fields = { readonly [field: string]: Value | undefined | typeof REMOVE };

/**
 * What `transform` returns: the fields that change, an outcome, or a failure.
 *
 * The document itself may be returned, too, changed or spread into another object: what stayed what it was is no
 * edit.
 */
export type Answer = Fields | object | Outcome | Failure;

/** A document that a lookup found. */
export interface Found<T> {
  readonly id: string;
  readonly doc: T;
}

/** What a migration knows besides its document. It stands still for the whole run. */
export interface Context {
  /** The document's key. */
  readonly id: string;
  /** When the run began, in milliseconds since 1970. `Date.now()` gives the same. */
  readonly now: number;
  /** The same, as RFC 3339 in UTC. */
  readonly nowText: string;
  /** Lines for the log, about this document. `console` writes there, too. */
  readonly log: Record<"debug" | "info" | "warn" | "error", (...words: unknown[]) => void>;
  /**
   * The JSON text at a pointer, as it is spelled; undefined if it leads nowhere. For values to be passed on that
   * JavaScript's numbers would destroy: `{ copy: ctx.raw("/big") }`.
   */
  raw(pointer: Pointer): Raw | undefined;
  /** A parameter of the run, `--param name=value`; undefined if it was not given. */
  param<T = Value>(name: string): T | undefined;
  /** A secret that was declared and granted; undefined if it was not. */
  secret(name: string): string | undefined;
  /** An id for a new document: the same for the same seed. */
  newId(table: string, seed: string): string;
  /** The document of that id; undefined if there is none. The table must be in `reads`. */
  get<T = any>(table: string, id: string): Found<T> | undefined;
  /** The documents of these ids, in order. */
  getMany<T = any>(table: string, ids: readonly string[]): (Found<T> | undefined)[];
  /** The first documents, by id, that meet all conditions; at most 100, unless it says. */
  find<T = any>(table: string, conditions: Condition | readonly Condition[], limit?: number): Found<T>[];
  /** The first document that meets all conditions. */
  findOne<T = any>(table: string, conditions: Condition | readonly Condition[]): Found<T> | undefined;
}

/** What a migration is, and all that it may touch. */
export interface Definition<T> {
  /** Its identity in the store's history: lower-case words joined by hyphens. */
  name: string;
  /** One sentence for people. */
  description?: string;
  /** The schema version that the store has afterwards. */
  version?: number;
  /** Migrations that must have been applied before. */
  runAfter?: string[];
  /** The table whose documents it transforms. */
  table: string;
  /** Only documents that meet all of these are passed to it. Choose them so that a migrated document does not. */
  filter?: Condition[];
  /** Tables that it looks documents up in. */
  reads?: string[];
  /** Tables that it changes besides its own. */
  writes?: string[];
  /** Secrets that it asks for. */
  secrets?: string[];
  /**
   * What becomes of one document. What it throws becomes the document's failure, with its line.
   *
   * It is a pure function: the same document gives the same answer.
   */
  transform(document: T, context: Context): Answer;
  /** Takes the migration's work back. It is given documents that may not have been migrated: it skips those. */
  revert?(document: T, context: Context): Answer;
}

/** A migration; made by `migration`. */
export interface Migration {
  readonly isReversible: boolean;
}

/** Declares a migration. It is the default export of a project. */
export function migration<T = any>(definition: Definition<T>): Migration;

/** Begins a condition: `at("/tier").equals("premium")`. */
export function at(pointer: Pointer): {
  present(): Condition;
  missing(): Condition;
  isNull(): Condition;
  equals(value: Value): Condition;
  notEquals(value: Value): Condition;
  lessThan(value: number | string): Condition;
  atLeast(value: number | string): Condition;
  oneOf(values: readonly Value[]): Condition;
};

/** Leaves the document alone; the report counts each reason, so put no ids into it. */
export function skip(reason: string): Outcome;

/** Why a document cannot be migrated. Throw it from however deep, or return it. */
export class Failure extends Error {
  constructor(code: string, message: string, pointer?: Pointer);
  readonly code: string;
  readonly at: Pointer | undefined;
}

/** A failure, to be returned or thrown: the document goes into quarantine, and the run goes on. */
export function fail(code: string, message: string, pointer?: Pointer): Failure;

/** Writes the body anew; the host works out what really changed. Prefer to return fields. */
export function replace(body: Value | object): Outcome;

/** Takes the document away. */
export function deletion(): Outcome;

/** Edits, in order, all of them or none. */
export interface Edits extends Outcome {
  /** Replaces what is there, or adds a member. In an array an index replaces and `-` appends. */
  set(pointer: Pointer, value: Value | object): this;
  /** Takes a member or an element out. There must be one. */
  remove(pointer: Pointer): this;
  /** Moves a value without decoding it. What is at `to` is replaced. */
  rename(from: Pointer, to: Pointer): this;
}

/** Begins a list of edits: for what is nested, and for moving values. */
export function edits(): Edits;

/** Changes to this document and to others. */
export interface Changes extends Outcome {
  /** Adds a document whose id is derived from the document at hand: the same never inserts twice. */
  insert(table: string, body: Value | object): this;
  /** Adds a document with an id; if it is taken, the document at hand fails with `duplicate-id`. */
  insertAs(table: string, id: string, body: Value | object): this;
  /** Sets top-level fields of a document, or makes `edits()`. */
  edit(table: string, id: string, fields: Fields | Edits): this;
  /** Writes a document's body anew. */
  replace(table: string, id: string, body: Value | object): this;
  /** Takes a document away. */
  delete(table: string, id: string): this;
}

/** Begins a list of changes: made together, or not at all. */
export function changes(): Changes;

/** A value that is written as this JSON text, letter by letter. */
export function raw(text: string): Raw;
