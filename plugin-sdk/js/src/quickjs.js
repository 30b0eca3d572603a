// What the engine in `engine/`, which runs a bundle on QuickJS, goes by. It gives a migration its documents itself, and
// makes edits of the fields that it returns; whatever else comes out is for the SDK to understand.

import { body, place } from "migration:sdk/engine";
import { now } from "migration:plugin/context@0.1.0";

import { checked, known } from "./component.js";
import { BODY, Context, HOST } from "./context.js";
import { placedBy } from "./host.js";

placedBy(place);

/** The parts of a component of this migration. */
export function parts(definition, world, lines) {
  const migration = checked(definition, world);
  const host = known(lines);
  return {
    /** Whose functions the engine calls. */
    definition: migration.definition,
    describe: () => migration.manifest(),
    /** What a transform's second argument inherits from; `id` is its own. */
    context: Object.create(Context.prototype, {
      [BODY]: { get: body },
      [HOST]: { value: host },
      now: { get: now },
    }),
    /** The outcome of a document of which this was returned. Whether it was parsed: then it may have been changed. */
    settle: (answer, document, text, isWhole) => migration.settled(answer, document, text, isWhole, host),
    /** The outcome of a document at which this was thrown. */
    thrown: (error) => migration.thrown(error, host),
  };
}
