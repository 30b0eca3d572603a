import { gcm } from "@noble/ciphers/aes.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { at, fail, migration, skip } from "plugin-sdk";

/** The fields that hold keys. */
const SERVICES = ["openai", "google", "groq"];

/** The secret that holds the key to encrypt with: 32 bytes in base64. */
const KEY = "API_KEYS_KEY";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts API keys: AES-256-GCM, the nonce before the ciphertext, in base64. */
export default migration({
  name: "encrypt-api-keys",
  description: "Encrypts the keys in apiKeys with AES-256-GCM",
  version: 1,
  table: "apiKeys",
  filter: [at("/encryptedAt").missing()],
  secrets: [KEY],

  transform(keys, ctx) {
    const secret = keyFrom(ctx);
    const changed = {};
    for (const service of SERVICES) {
      const value = keys[service];
      if (value === undefined || value === null || value === "") continue;
      if (typeof value !== "string") throw fail("bad-key", "this is no text", `/${service}`);
      if (!isEncrypted(secret, value)) changed[service] = encrypted(secret, value, `${ctx.id}/${service}`);
    }
    if (Object.keys(changed).length === 0) return skip("nothing to encrypt");
    return { ...changed, encryptedAt: ctx.now };
  },
});

function keyFrom(ctx) {
  const secret = ctx.secret(KEY);
  if (secret === undefined) throw fail("no-key", `the secret ${KEY} is not there`);
  const bytes = fromBase64(secret);
  if (bytes?.length !== 32) throw fail("no-key", `the secret ${KEY} is not 32 bytes in base64`);
  return bytes;
}

function encrypted(secret, text, place) {
  const plain = new TextEncoder().encode(text);
  // There is no chance in a migration, and the same document must give the same result. A nonce must not come twice
  // with different texts: so it is made of the text, by a function that only who has the key can compute.
  const seed = new TextEncoder().encode(`${place}\n${text}`);
  const nonce = hmac(sha256, secret, seed).slice(0, NONCE_BYTES);
  const sealed = gcm(secret, nonce).encrypt(plain);
  return toBase64(Uint8Array.of(...nonce, ...sealed));
}

/** Whether a value was encrypted with this key: only then does it open. */
function isEncrypted(secret, value) {
  const bytes = fromBase64(value);
  if (bytes === undefined || bytes.length < NONCE_BYTES + TAG_BYTES) return false;
  try {
    gcm(secret, bytes.slice(0, NONCE_BYTES)).decrypt(bytes.slice(NONCE_BYTES));
    return true;
  } catch {
    return false;
  }
}

function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** The bytes of a text; undefined where it is no base64. */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
