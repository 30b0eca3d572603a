// JSON texts: writing values, and finding a value's text as it is spelled.

import { Failure } from "./outcomes.js";

/** A JSON text that is passed on as it is spelled. */
class Raw {
  constructor(text) {
    this.text = text;
  }

  toJSON() {
    // JSON.stringify cannot write it; `encode` goes on by itself.
    throw new NotPlain();
  }
}

/** Says that a value has something in it that only `encode` can write. */
class NotPlain extends Error {}

/** A value that is written as this JSON text, letter by letter. */
export function raw(text) {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Failure("invalid-value", `${JSON.stringify(text)} is no JSON: ${error.message}`);
  }
  return new Raw(text);
}

/** A value's JSON text. BigInts are written with all their digits. */
export function encode(value) {
  // Most values are one of these, and the way of the others takes many times as long.
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  let text;
  try {
    text = JSON.stringify(value, refuse);
  } catch (error) {
    if (!(error instanceof NotPlain)) throw error;
    text = slowly(value);
  }
  if (text === undefined) throw new Failure("invalid-value", `a ${typeof value} is no JSON value`);
  return text;
}

/** Refuses what JSON.stringify would write as something else. */
function refuse(_key, value) {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) throw new Failure("invalid-value", `${value} is no JSON value`);
      return value;
    case "bigint":
      throw new NotPlain();
    case "function":
    case "symbol":
      throw new Failure("invalid-value", `a ${typeof value} is no JSON value`);
    default:
      return value;
  }
}

function slowly(value) {
  if (value instanceof Raw) return value.text;
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return JSON.stringify(value, refuse);
  if (Array.isArray(value)) return `[${value.map((item) => slowly(item) ?? "null").join(",")}]`;
  if (typeof value.toJSON === "function") return slowly(value.toJSON());
  const members = [];
  for (const [key, member] of Object.entries(value)) {
    const text = slowly(member);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(",")}}`;
}

/** The parts of a JSON Pointer, unescaped. */
export function parts(pointer) {
  if (typeof pointer !== "string" || (pointer !== "" && !pointer.startsWith("/"))) {
    throw new Failure("invalid-edit", `${JSON.stringify(pointer)} is no JSON Pointer, such as /address/city`);
  }
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The pointers to fields: they are the same ones from document to document. */
const pointers = new Map();

/** The pointer to a top-level field. */
export function pointerTo(field) {
  let pointer = pointers.get(field);
  if (pointer === undefined) {
    pointer = `/${field.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    pointers.set(field, pointer);
  }
  return pointer;
}

/** The value that a pointer leads to; undefined if it leads nowhere. */
export function valueAt(value, pointer) {
  for (const part of parts(pointer)) {
    if (Array.isArray(value)) {
      value = /^(0|[1-9]\d*)$/.test(part) ? value[Number(part)] : undefined;
    } else if (value !== null && typeof value === "object" && Object.hasOwn(value, part)) {
      value = value[part];
    } else {
      return undefined;
    }
  }
  return value;
}

/** The text of the value that a pointer leads to, in a JSON text; undefined if it leads nowhere. */
export function textAt(text, pointer) {
  let place = blanks(text, 0);
  for (const part of parts(pointer)) {
    place = member(text, place, part);
    if (place === undefined) return undefined;
  }
  return text.slice(place, end(text, place));
}

// What follows goes over texts that were parsed before: it need not tell what is wrong with them.

const STRING = /"(?:[^"\\]|\\.)*"/sy;
const SCALAR = /[^\s,\]}]*/y;

function blanks(text, place) {
  while (text[place] === " " || text[place] === "\n" || text[place] === "\r" || text[place] === "\t") place += 1;
  return place;
}

function match(pattern, text, place) {
  pattern.lastIndex = place;
  pattern.exec(text);
  return pattern.lastIndex;
}

/** Where the value ends that begins here. */
function end(text, place) {
  if (text[place] === '"') return match(STRING, text, place);
  if (text[place] !== "{" && text[place] !== "[") return match(SCALAR, text, place);
  let depth = 0;
  for (;;) {
    const char = text[place];
    if (char === '"') {
      place = match(STRING, text, place);
      continue;
    }
    place += 1;
    if (char === "{" || char === "[") depth += 1;
    if (char === "}" || char === "]") depth -= 1;
    if (depth === 0) return place;
  }
}

/** Where a member's or element's value begins, in the value that begins here. The last one of a name counts. */
function member(text, place, name) {
  const isObject = text[place] === "{";
  if (!isObject && text[place] !== "[") return undefined;
  let found;
  let index = 0;
  place = blanks(text, place + 1);
  while (text[place] !== "}" && text[place] !== "]") {
    let key = String(index);
    if (isObject) {
      const after = match(STRING, text, place);
      key = JSON.parse(text.slice(place, after));
      // The colon.
      place = blanks(text, blanks(text, after) + 1);
    }
    if (key === name) found = place;
    index += 1;
    place = blanks(text, end(text, place));
    if (text[place] === ",") place = blanks(text, place + 1);
  }
  return found;
}
