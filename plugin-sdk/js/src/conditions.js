// Conditions of filters and lookups.

import { encode, parts } from "./json.js";

/** Begins a condition: `at("/tier").equals("premium")`. */
export function at(pointer) {
  parts(pointer);
  const condition = (tag, val) => Object.freeze({ at: pointer, test: val === undefined ? { tag } : { tag, val } });
  return {
    present: () => condition("present"),
    missing: () => condition("missing"),
    isNull: () => condition("equals", "null"),
    equals: (value) => condition("equals", encode(value)),
    notEquals: (value) => condition("not-equals", encode(value)),
    lessThan: (value) => condition("less-than", encode(value)),
    atLeast: (value) => condition("at-least", encode(value)),
    oneOf: (values) => condition("one-of", values.map(encode)),
  };
}
