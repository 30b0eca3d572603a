// Runs cases.jsonl natively. `host test` runs the same cases in the sandbox.

import { cases } from "plugin-sdk/testing";

import migration from "../src/migration.js";

cases(migration);
