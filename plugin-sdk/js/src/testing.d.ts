import type { Migration } from "./index.js";

/**
 * Registers a test of `node:test` for each case of a file of JSON lines, or of a folder; by default those in
 * `cases.jsonl`. `host test` runs the same cases in the sandbox.
 */
export function cases(migration: Migration, path?: string): void;
