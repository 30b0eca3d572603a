// Where in the source an error was thrown.

/** The place of an error in the source, such as `src/migration.ts:12`; undefined where the engine has none. */
export function placeOf(error, lines) {
  for (const [, number] of String(error.stack).matchAll(/:(\d+):\d+/g)) {
    const found = lines?.of[Number(number) - 1];
    if (found != null) {
      const [source, line] = found;
      return `${lines.sources[source]}:${line}`;
    }
  }
  return undefined;
}
