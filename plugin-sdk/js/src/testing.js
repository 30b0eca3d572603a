// A project's cases, natively in Node: the same file that `host test` runs in the sandbox.
//
// Documents are held against each other as JavaScript reads them. How a number is spelled, and what the sandbox
// does about loops and memory, only `host test` tells.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { parts, valueAt } from "./json.js";
import { Failure } from "./outcomes.js";

/** When a case's run began, unless it says. */
const NOW = 1_700_000_000_000;

/** Registers a test for each case of a file of JSON lines, or of a folder. */
export function cases(migration, path = "cases.jsonl") {
  for (const one of read(path)) {
    test(one.name, () => check(migration, one));
  }
}

/** Runs one case and holds what came out against what it expects. */
export function check(migration, one) {
  const found = run(migration, one);
  if (one.documents === undefined) {
    const [came] = Object.values(found);
    assert.deepEqual(comparable(came, one.expect), one.expect);
    return;
  }
  assert.deepEqual(Object.keys(found).sort(), Object.keys(one.expect).sort());
  for (const [id, came] of Object.entries(found)) {
    assert.deepEqual({ [id]: comparable(came, one.expect[id]) }, { [id]: one.expect[id] });
  }
}

function read(path) {
  if (statSync(path).isDirectory()) {
    const names = readdirSync(path).filter((name) => /\.jsonl?$/.test(name));
    return names.sort().flatMap((name) => readFile(join(path, name)));
  }
  return readFile(path);
}

function readFile(path) {
  const text = readFileSync(path, "utf8");
  if (path.endsWith(".json")) return [{ name: path, ...JSON.parse(text) }];
  return text
    .split("\n")
    .map((line, index) => (line.trim() === "" ? [] : [{ name: `${path}:${index + 1}`, ...JSON.parse(line) }]))
    .flat();
}

/** What came out, with no more in it than what is expected to be compared. */
function comparable(came, expected) {
  if (expected === undefined) return came;
  const { logs, ...answer } = came;
  if (expected.skip === true && answer.skip !== undefined) answer.skip = true;
  if (expected.fail !== undefined && answer.fail !== undefined) {
    const named = Object.keys(expected.fail).map((member) => [member, answer.fail[member] ?? null]);
    answer.fail = Object.fromEntries(named);
  }
  return expected.logs === undefined ? answer : { ...answer, logs };
}

/** What becomes of each document, as a case's `expect` spells it. */
export function run(migration, one) {
  const manifest = migration.manifest();
  const documents = one.documents ?? { [one.id ?? "1"]: one.document };
  const tables = new Map([[manifest.table, new Map()]]);
  for (const table of [...manifest.reads, ...manifest.writes]) tables.set(table, new Map());
  for (const [table, rows] of Object.entries(one.tables ?? {})) tables.set(table, new Map(Object.entries(rows)));
  for (const [id, document] of Object.entries(documents)) tables.get(manifest.table).set(id, document);
  return Object.fromEntries(
    Object.entries(documents).map(([id, document]) => [id, becomes(migration, manifest, one, tables, id, document)]),
  );
}

function becomes(migration, manifest, one, tables, id, document) {
  const isBack = one.revert === true;
  if (!isBack && !manifest.filter.every((condition) => holds(condition, document))) return { passed_over: true };
  const logs = [];
  const host = memory(manifest, one, tables, logs);
  const wire = migration.outcome(isBack ? "revert" : "transform", { id, body: JSON.stringify(document) }, host);
  return { ...applied(wire, manifest, tables, id), logs };
}

/** What a component asks of its host, answered from a case. */
function memory(manifest, one, tables, logs) {
  const granted = (name) => {
    if (!manifest.reads.includes(name)) {
      throw new Failure("lookup-not-granted", `the lookup was not answered: ${name}`);
    }
    return tables.get(name);
  };
  const written = ([id, document]) => ({ id, body: JSON.stringify(document) });
  return {
    // `console.log` of a document would show nothing of it before it is parsed.
    isLazy: false,
    now: () => (one.now === undefined ? NOW : new Date(one.now).getTime()),
    param: (name) => (Object.hasOwn(one.params ?? {}, name) ? JSON.stringify(one.params[name]) : null),
    secret: (name) => (manifest.secrets.includes(name) ? one.secrets?.[name] : null),
    newId: (table, seed) => newId(["seed", manifest.name, table, seed]),
    log: (level, message) => logs.push({ [level]: message }),
    place: () => undefined,
    getMany: (table, ids) => {
      const rows = granted(table);
      return ids.map((id) => (rows.has(id) ? written([id, rows.get(id)]) : null));
    },
    find: (table, conditions, limit) =>
      [...granted(table)]
        .filter(([, document]) => conditions.every((condition) => holds(condition, document)))
        .sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
        .slice(0, limit)
        .map(written),
  };
}

/** Whether a document meets a condition. */
function holds({ at, test: { tag, val } }, document) {
  const found = valueAt(document, at);
  if (tag === "present") return found !== undefined;
  if (tag === "missing") return found === undefined;
  if (tag === "one-of") return val.some((value) => found === JSON.parse(value));
  const value = JSON.parse(val);
  const isOrdered = typeof found === typeof value && ["number", "string"].includes(typeof value);
  switch (tag) {
    case "equals":
      return found === value;
    case "not-equals":
      return found !== value;
    case "less-than":
      return isOrdered && compare(found, value) < 0;
    default:
      return isOrdered && compare(found, value) >= 0;
  }
}

function compare(one, other) {
  return typeof one === "number" ? one - other : Buffer.compare(Buffer.from(one), Buffer.from(other));
}

/** What an outcome comes to, as a case's `expect` spells it. */
function applied({ tag, val }, manifest, tables, id) {
  if (tag === "skip") return { skip: val };
  if (tag === "fail") return { fail: { ...val, at: val.at ?? null } };
  const mine = { table: manifest.table, id };
  const changes = {
    edit: () => [{ tag: "edit", val: [mine, val] }],
    replace: () => [{ tag: "replace", val: [mine, val] }],
    delete: () => [{ tag: "delete", val: mine }],
    changes: () => val,
  }[tag]();
  try {
    return difference(tables, changed(changes, manifest, tables, id), mine);
  } catch (error) {
    if (error instanceof Failure) return { fail: { code: error.code, message: error.message, at: error.at ?? null } };
    throw error;
  }
}

/** The tables after these changes. */
function changed(changes, manifest, tables, id) {
  const after = new Map([...tables].map(([table, rows]) => [table, new Map(rows)]));
  const open = (table) => {
    if (table === manifest.table || manifest.writes.includes(table)) return after.get(table);
    throw new Failure("not-granted", `the manifest does not say that it writes ${table}`);
  };
  const known = ({ table, id }) => {
    const rows = open(table);
    if (!rows.has(id)) throw new Failure("unknown-document", `there is no ${id} in ${table}`);
    return rows;
  };
  let insertions = 0;
  for (const { tag, val } of changes) {
    if (tag === "insert") {
      const rows = open(val.table);
      const derived = ["document", manifest.name, val.table, manifest.table, id, String(insertions)];
      insertions += 1;
      const own = val.id ?? newId(derived);
      if (!rows.has(own)) rows.set(own, JSON.parse(val.body));
      else if (val.id != null) throw new Failure("duplicate-id", `there is a ${own} in ${val.table} already`);
    } else if (tag === "delete") {
      known(val).delete(val.id);
    } else {
      const [reference, what] = val;
      const rows = known(reference);
      const body = tag === "replace" ? JSON.parse(what) : edited(rows.get(reference.id), what);
      rows.set(reference.id, body);
    }
  }
  return after;
}

function edited(document, edits) {
  const root = { "": structuredClone(document) };
  const parent = (pointer) => {
    const path = ["", ...parts(pointer)];
    const last = path.pop();
    const holder = path.length === 0 ? root : valueAt(root, `/${path.map(escaped).join("/")}`);
    if (holder === null || typeof holder !== "object") throw new Failure("invalid-edit", `${pointer} leads nowhere`);
    return [holder, last];
  };
  const take = (pointer) => {
    const [holder, last] = parent(pointer);
    if (!Object.hasOwn(holder, last)) throw new Failure("invalid-edit", `there is nothing at ${pointer}`);
    const value = holder[last];
    if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else delete holder[last];
    return value;
  };
  const put = (pointer, value) => {
    const [holder, last] = parent(pointer);
    if (!Array.isArray(holder)) holder[last] = value;
    else if (last === "-") holder.push(value);
    else if (Object.hasOwn(holder, last)) holder[Number(last)] = value;
    else throw new Failure("invalid-edit", `there is nothing at ${pointer}`);
  };
  for (const { tag, val } of edits) {
    if (tag === "set") put(val[0], JSON.parse(val[1]));
    else if (tag === "remove") take(val);
    else put(val[1], take(val[0]));
  }
  return root[""];
}

function escaped(part) {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

function difference(before, after, mine) {
  const found = {};
  const tables = {};
  for (const [table, rows] of after) {
    const old = before.get(table);
    for (const id of new Set([...old.keys(), ...rows.keys()])) {
      const now = rows.has(id) ? rows.get(id) : null;
      if (old.has(id) && JSON.stringify(old.get(id)) === JSON.stringify(now)) continue;
      if (table === mine.table && id === mine.id) found.document = now;
      else (tables[table] ??= {})[id] = now;
    }
  }
  if (Object.keys(tables).length > 0) found.tables = tables;
  return Object.keys(found).length === 0 ? { skip: "unchanged" } : found;
}

/** The namespace of the ids that the host makes. */
const NAMESPACE = "3c72cf1053d84a0a9bd1e6f8348e4702";

/** A UUID of version 5, as the host makes it of a list of names. */
function newId(names) {
  const hash = createHash("sha1").update(Buffer.from(NAMESPACE, "hex")).update(JSON.stringify(names)).digest();
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
