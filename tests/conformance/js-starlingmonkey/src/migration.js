// The same as on QuickJS.
export { default } from "../../js/src/migration.js";
