// Bundles a project by esbuild; for StarlingMonkey it makes the component, too. QuickJS is the host's own to join.
//
//   node build.mjs PROJECT ENTRY WORLD ENGINE WIT OUTPUT
//
// OUTPUT is a bundle's place for QuickJS, a component's for StarlingMonkey.
//
// `host build` calls it. The tools are the project's own, from its node_modules.

import { writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [project, entry, world, engine, wit, output] = process.argv.slice(2);
const sdk = dirname(fileURLToPath(import.meta.url));
const made = dirname(output);

// Packages are looked for from where the module is that imports them.
const tools = join(made, "tools.mjs");
await writeFile(tools, "export const tool = (name) => import(name);\n");
const { tool } = await import(pathToFileURL(tools));

const code = await bundle();
await writeFile(join(made, "bundle.js"), code);
if (engine === "starlingmonkey") await writeFile(output, await componentize(code));

/** One module of the project, what it imports, and the SDK. */
async function bundle() {
  const esbuild = await tool("esbuild");
  const options = {
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["migration:*"],
    // Sources may lie elsewhere, behind a link.
    nodePaths: [join(project, "node_modules")],
    absWorkingDir: project,
    sourcemap: "external",
    outfile: join(made, "bundle.js"),
    logLevel: "silent",
    write: false,
  };
  const bundled = await esbuild
    .build({ ...options, stdin: { contents: joined(), resolveDir: project, sourcefile: "plugin" } })
    .catch(async (error) => {
      const messages = await esbuild.formatMessages(error.errors ?? [], { kind: "error" });
      stop(messages.length > 0 ? messages.join("") : error.message);
    });
  const file = (ending) => bundled.outputFiles.find(({ path }) => path.endsWith(ending)).text;
  return `${file("bundle.js")}\nglobalThis.__lines = ${JSON.stringify(JSON.stringify(lines(JSON.parse(file(".map")))))};\n`;
}

/** The component's module: what the engine asks for, or what the interface does. */
function joined() {
  const path = (file) => JSON.stringify(file);
  // Parsed when an exception needs them, which few plugins ever do.
  const lines = `{
    get known() {
      const known = JSON.parse(globalThis.__lines);
      Object.defineProperty(this, "known", { value: known });
      return known;
    },
    get of() { return this.known.of; },
    get sources() { return this.known.sources; },
  }`;
  const words = `definition, ${path(world)}, ${lines}`;
  if (engine === "quickjs") {
    return `
      import { parts } from ${path(join(sdk, "src/quickjs.js"))};
      import definition from ${path(join(project, entry))};
      export default parts(${words});
    `;
  }
  return `
    import { exported } from ${path(join(sdk, "src/component.js"))};
    import definition from ${path(join(project, entry))};
    const { describe, transform: forth, revert: back } = exported(${words});
    export const transform = { describe, transform: forth };
    ${world === "reversible-migration" ? "export const revert = { revert: back };" : ""}
  `;
}

/** For each line of the bundle the line of the project's source that it comes from; the SDK's have none. */
function lines({ sources, mappings }) {
  const names = sources.map((source) => relative(project, join(made, source)));
  const isProjects = (source) => names[source] === entry || /^(src|lib)\//.test(names[source] ?? "");
  let source = 0;
  let line = 0;
  const of = mappings.split(";").map((segments) => {
    let first = null;
    for (const segment of segments.split(",")) {
      const [, ahead = 0, down = 0] = decoded(segment);
      source += ahead;
      line += down;
      if (first === null && segment !== "" && isProjects(source)) first = [source, line + 1];
    }
    return first;
  });
  return { sources: names, of };
}

/** The numbers of a segment of a source map: base 64, five bits a digit, the sign in the lowest. */
function decoded(segment) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const numbers = [];
  let number = 0;
  let shift = 0;
  for (const char of segment) {
    const digit = digits.indexOf(char);
    number |= (digit & 31) << shift;
    shift += 5;
    if (digit < 32) {
      numbers.push(number & 1 ? -(number >> 1) : number >> 1);
      number = 0;
      shift = 0;
    }
  }
  return numbers;
}

async function componentize(jsSource) {
  const { componentize } = await tool("@bytecodealliance/componentize-js");
  try {
    const { component } = await componentize(jsSource, {
      witPath: wit,
      worldName: world,
      // Nothing of WASI is left to import.
      disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
    });
    return component;
  } catch (error) {
    stop(error.message);
  }
}

function stop(message) {
  console.error(message.trimEnd());
  process.exit(1);
}
