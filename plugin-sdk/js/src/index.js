// What a migration is written with.

export { at } from "./conditions.js";
export { raw } from "./json.js";
export { migration } from "./migration.js";
export { Failure, REMOVE, changes, deletion, edits, fail, replace, skip } from "./outcomes.js";
