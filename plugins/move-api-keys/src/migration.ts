import { type Answer, at, changes, type Context, fail, migration, skip } from "plugin-sdk";

interface Settings {
  userId: string;
  encryptedApiKeys: string;
}

/** A user's keys, as `apiKeys` holds them: the name of each service, and its key, encrypted or not. */
interface ApiKeys {
  userId: string;
  /** The settings that they came from. */
  movedFrom?: string;
  [service: string]: string | undefined;
}

/** Moves the API keys of a user's settings into a document of their own. */
export default migration<Settings>({
  name: "move-api-keys",
  description: "Moves encryptedApiKeys of userSettings into documents of apiKeys",
  version: 1,
  table: "userSettings",
  filter: [at("/encryptedApiKeys").present(), at("/encryptedApiKeys").notEquals("")],
  reads: ["apiKeys"],
  writes: ["apiKeys"],

  transform(settings, ctx) {
    const keys = parsed(settings.encryptedApiKeys);
    const moved = changes().edit("userSettings", ctx.id, { encryptedApiKeys: "" });
    if (keysOf(settings.userId, ctx) === undefined) {
      moved.insert("apiKeys", { userId: settings.userId, movedFrom: ctx.id, ...keys });
    }
    return moved;
  },

  revert(settings, ctx): Answer {
    if (settings.encryptedApiKeys !== "") return skip("never moved");
    const found = keysOf(settings.userId, ctx);
    if (found?.doc.movedFrom !== ctx.id) return skip("has other keys");
    const { userId, movedFrom, ...keys } = found.doc;
    return changes()
      .edit("userSettings", ctx.id, { encryptedApiKeys: JSON.stringify(keys) })
      .delete("apiKeys", found.id);
  },
});

function keysOf(userId: string, ctx: Context) {
  return ctx.findOne<ApiKeys>("apiKeys", at("/userId").equals(userId));
}

/** The keys in a JSON text. The error of one that is none says nothing of what stands in it. */
function parsed(text: string): Record<string, string> {
  const refused = (message: string) => fail("bad-keys", message, "/encryptedApiKeys");
  let keys: unknown;
  try {
    keys = JSON.parse(text);
  } catch {
    throw refused("this is no JSON");
  }
  if (keys === null || typeof keys !== "object" || Array.isArray(keys)) throw refused("this is no object of keys");
  for (const [service, key] of Object.entries(keys)) {
    if (typeof key !== "string") throw refused(`the key of ${service} is no text`);
    if (service === "userId" || service === "movedFrom") throw refused(`no service can be called ${service}`);
  }
  return keys as Record<string, string>;
}
