// What JavaScript has and a sandbox does not. A document's outcome depends on nothing but what it is given, so
// that it is the same whenever the document is transformed again.

import { word } from "./context.js";
import { host, isAtWork } from "./host.js";
import "./text.js";

const SystemDate = globalThis.Date;

/** The run's now. While the plugin is loaded there is none. */
function now() {
  if (!isAtWork()) throw new Error("there is no clock while the plugin is loaded");
  return host.now();
}

globalThis.Date = new Proxy(SystemDate, {
  construct: (target, words, self) => Reflect.construct(target, words.length === 0 ? [now()] : words, self),
  apply: () => new SystemDate(now()).toString(),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
SystemDate.prototype.constructor = globalThis.Date;

const { random } = Math;
Math.random = () => {
  if (!isAtWork()) return random();
  throw new Error("there is no chance in a migration: make ids with ctx.newId(table, seed)");
};

const line =
  (level) =>
  (...words) =>
    host.log(level, words.map(word).join(" "));
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
