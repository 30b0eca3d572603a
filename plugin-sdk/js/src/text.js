// UTF-8, for engines that lack what the platform calls TextEncoder and TextDecoder: many packages need them.

import { wellFormed } from "./outcomes.js";

class Encoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    // An escape for each byte, or the character itself.
    const bytes = encodeURIComponent(wellFormed(String(text))).match(/%..|./g) ?? [];
    return Uint8Array.from(bytes, (byte) => (byte.length === 1 ? byte.charCodeAt(0) : parseInt(byte.slice(1), 16)));
  }
}

/** Takes no other encoding, and refuses what is no UTF-8, whatever it is told. */
class Decoder {
  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`there is no TextDecoder for ${label} here`);
  }

  get encoding() {
    return "utf-8";
  }

  decode(bytes = new Uint8Array()) {
    const view = ArrayBuffer.isView(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes);
    const escapes = Array.from(view, (byte) => `%${byte.toString(16).padStart(2, "0")}`);
    try {
      return decodeURIComponent(escapes.join(""));
    } catch {
      throw new TypeError("these bytes are no UTF-8");
    }
  }
}

globalThis.TextEncoder ??= Encoder;
globalThis.TextDecoder ??= Decoder;
