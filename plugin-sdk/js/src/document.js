// The document at hand, which is parsed no further than it is read.
//
// Most migrations read one or two fields of a document that has dozens. Finding a field in the text takes less than
// half of the time that parsing all of it takes, so that is what reading one does, as long as the text leaves no doubt.
// Whatever else is done with the document parses it, once; from then on it is an object like any other.

/** After so many fields that were looked for in the text, parsing it costs less than looking for another. */
const SEARCHES = 3;

/** There is no such field. */
const ABSENT = Symbol("absent");

/** Only parsing tells. */
const UNKNOWN = Symbol("unknown");

/** What stands behind a string's last quote. */
const BEHIND = ",:]} \t\n\r";

/** A value that is no string, behind its key. */
const VALUE = /^\s*:\s*([^\s,{}[\]]+)\s*[,}]/;

/** A document's text, and the traps of the value that the transform is given. */
export class Original {
  constructor(body) {
    this.body = body;
    /**
     * Whether it is the text of an object without escapes: there every quote begins or ends a string, and a string is
     * spelled in one way.
     */
    this.isPlain = body[0] === "{" && !contains(body, "\\");
    this.searches = 0;
    /** Whether the target of the traps is the whole document, and no longer empty. */
    this.isWhole = false;
  }

  /** Its value, for a transform that may change it. */
  parse() {
    return JSON.parse(this.body);
  }

  /** The same, parsed when it has to be. */
  lazily() {
    return this.isPlain ? new Proxy({}, this) : this.parse();
  }

  /** Its value, which nobody changes. */
  get value() {
    return (this.unchanged ??= this.parse());
  }

  /** Whether it surely has no such field. */
  lacks(field) {
    return this.isPlain && !contains(this.body, field + '"');
  }

  get(target, name, self) {
    // A text has no fields that are named by symbols.
    if (this.isWhole || typeof name === "symbol") return Reflect.get(target, name, self);
    const found = this.searches < SEARCHES ? scalar(this.body, name) : UNKNOWN;
    this.searches += 1;
    if (found === UNKNOWN) this.complete(target);
    return found === UNKNOWN || found === ABSENT ? Reflect.get(target, name, self) : found;
  }

  /** Makes the target of the traps the whole document. */
  complete(target) {
    if (this.isWhole) return;
    this.isWhole = true;
    const whole = this.parse();
    // Assigning it would change what the target inherits from.
    if (!Object.hasOwn(whole, "__proto__")) Object.assign(target, whole);
    else Object.defineProperties(target, Object.getOwnPropertyDescriptors(whole));
  }
}

for (const trap of [
  "has",
  "set",
  "deleteProperty",
  "ownKeys",
  "getOwnPropertyDescriptor",
  "defineProperty",
  "preventExtensions",
]) {
  const effect = Reflect[trap];
  Original.prototype[trap] = function (target, ...words) {
    this.complete(target);
    return effect(target, ...words);
  };
}

/** The scalar that a top-level field has in a plain text. */
function scalar(body, field) {
  const parts = body.split(field + '"', 3);
  if (parts.length === 1) return ABSENT;
  const before = parts[0];
  // Which of several counts, and whose a key is behind a second brace, only parsing tells.
  const isKey =
    parts.length === 2 && before[before.length - 1] === '"' && !BEHIND.includes(field[0]) && !contains(field, '"');
  if (!isKey || before.split("{", 3).length > 2) return UNKNOWN;
  const after = parts[1].split('"', 2);
  if (after[0] === ":" || after[0].trim() === ":") return after[1];
  const value = VALUE.exec(after[0]);
  return value === null ? UNKNOWN : JSON.parse(value[1]);
}

/** As `includes`, which in QuickJS takes seven times as long. */
function contains(text, part) {
  return text.replace(part, "") !== text;
}
