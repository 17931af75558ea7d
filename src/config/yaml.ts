import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
} from "yaml";
import type { ErrorCode, Place } from "../errors.ts";
import { tooDeepAt } from "./flow-depth.ts";
import { type Path, type Problem, pathText } from "./problem.ts";

/** What a configuration may be at most; more than any real one needs, and cheap to hold. */
const textBytesMax = 1024 * 1024;
const aliasesMax = 50;
const nodesMax = 50_000;
const depthMax = 32;
/** Whoever reads the problems mends the first of them. */
const errorsMax = 100;

/** These would reach an object's prototype in careless code; no field is called so. */
const forbiddenKeys = new Set(["__proto__", "constructor", "prototype"]);

/** A plain value whose objects have no prototype, and where each of its parts stands. */
export type ParsedYaml = {
  /** null when the text cannot be read at all; then `problems` says why. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Where a value stands, or its key; the nearest parent's place when the path is not there. */
  placeOf(path: Path, of?: "key" | "value"): Place;
};

type Spots = Map<string, { key: number | undefined; value: number }>;

/**
 * Reads YAML 1.2 (so JSON too): one document, spaces only, no tags, aliases bounded in number and
 * in what they expand to. Every fault of the text is reported, not only the first.
 */
export function parseYaml(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  const spots: Spots = new Map();
  const problems: Problem[] = [];
  const placeAt = (offset: number, path: string | undefined): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: Math.max(1, col), ...(path ? { path } : {}) };
  };
  const placeOf = (path: Path, of: "key" | "value" = "value"): Place => {
    for (let length = path.length; length >= 0; length--) {
      const spot = spots.get(pathText(path.slice(0, length)));
      const whole = length === path.length && of === "key";
      const offset = whole ? (spot?.key ?? spot?.value) : spot?.value;
      if (offset !== undefined) return placeAt(offset, pathText(path));
    }
    return { file, line: 1, column: 1, path: pathText(path) };
  };
  const report = (code: ErrorCode, offset: number, path: Path, message: string, remedy: string) => {
    if (problems.length >= errorsMax) return;
    problems.push({
      severity: "error",
      code,
      message,
      place: placeAt(offset, pathText(path)),
      remedy,
    });
  };
  if (Buffer.byteLength(text) > textBytesMax) {
    report(
      "CONFIG_SYNTAX",
      0,
      [],
      "the file is larger than 1 MiB",
      "split the work over processes",
    );
    return { value: null, problems, placeOf };
  }
  const deep = tooDeepAt(text, depthMax);
  const document = deep === undefined ? parse(text, lines) : null;
  if (document === null) {
    if (deep !== undefined) countLines(text, lines);
    report("CONFIG_SYNTAX", deep ?? 0, [], "nested too deeply", `at most ${depthMax} levels`);
    return { value: null, problems, placeOf };
  }
  for (const error of document.errors.slice(0, errorsMax)) {
    const [message, remedy] = syntaxText(error);
    report("CONFIG_SYNTAX", error.pos[0], [], message, remedy);
  }
  if (problems.length > 0) return { value: null, problems, placeOf };
  const resolve = (node: Node) => (isAlias(node) ? node.resolve(document) : node);
  const value = convert(document.contents, { resolve, spots, report });
  return { value, problems, placeOf };
}

/** What the parser does as it reads. */
function countLines(text: string, lines: LineCounter): void {
  lines.addNewLine(0);
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    lines.addNewLine(at + 1);
  }
}

/** null when the nesting exhausts the parser's stack. */
function parse(text: string, lineCounter: LineCounter): Document.Parsed | null {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      version: "1.2",
      schema: "core",
      stringKeys: true,
      // The parser compares each key with all before it; we look each up.
      uniqueKeys: false,
    });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function syntaxText(error: YAMLError): [message: string, remedy: string] {
  if (error.code === "TAB_AS_INDENT" || error.message.includes("Tabs")) {
    return ["a tab indents this line", "YAML indents with spaces: replace the tab by two of them"];
  }
  if (error.message.includes("call stack")) {
    return ["nested too deeply", `at most ${depthMax} levels`];
  }
  if (error.code === "MULTIPLE_DOCS") {
    return ["a second document starts here", "remove the --- line: one file is one document"];
  }
  if (error.message.includes("flow")) {
    return [error.message, 'inside [ ] and { }, write texts with braces in quotes: "${HOST}"'];
  }
  return [error.message, "mend this line; texts with : # { } [ ] , & * need quotes"];
}

type Conversion = {
  readonly resolve: (node: Node) => Node | undefined;
  readonly spots: Spots;
  readonly report: (
    code: ErrorCode,
    offset: number,
    path: Path,
    message: string,
    remedy: string,
  ) => void;
};

/** Nodes to plain values; counts what aliases expand to before anything uses it. */
function convert(root: Node | null, { resolve, spots, report }: Conversion): unknown {
  let nodes = 0;
  let aliases = 0;
  let spent = false;

  function visit(
    written: Node | null,
    path: Path,
    key: number | undefined,
    inside: Node[],
  ): unknown {
    if (spent) return null;
    const offset = written?.range?.[0] ?? key ?? 0;
    const node = written === null ? null : resolve(written);
    spots.set(pathText(path), { key, value: offset });
    if (written !== null && node === undefined) {
      report(
        "CONFIG_SYNTAX",
        offset,
        path,
        "an alias without its anchor",
        "define the anchor above",
      );
      return null;
    }
    if (written !== node) aliases++;
    if (++nodes > nodesMax || aliases > aliasesMax) {
      spent = true;
      const remedy = `at most ${aliasesMax} aliases and ${nodesMax} values are allowed`;
      const message = aliases > 0 ? "the aliases expand to too much" : "there are too many values";
      report("CONFIG_SYNTAX", offset, path, message, remedy);
      return null;
    }
    if (!node) return null;
    if (path.length > depthMax || inside.includes(node)) {
      report("CONFIG_SYNTAX", offset, path, "nested too deeply", `at most ${depthMax} levels`);
      return null;
    }
    if (written?.tag ?? node.tag) {
      const remedy = "remove the tag; quote the value if it is a text";
      report("CONFIG_SYNTAX", offset, path, "tags (!, !!) are not allowed", remedy);
      return null;
    }
    const within = [...inside, node];
    if (isSeq(node)) {
      return node.items.map((item, at) => visit(item as Node, [...path, at], undefined, within));
    }
    if (isMap(node)) return mapOf(node.items as Pair<Node, Node | null>[], path, within);
    return isScalar(node) ? scalarOf(node) : null;
  }

  function mapOf(pairs: readonly Pair<Node, Node | null>[], path: Path, inside: Node[]): unknown {
    const map: Record<string, unknown> = Object.create(null);
    for (const pair of pairs) {
      const key = isScalar(pair.key) ? String(pair.key.value) : "";
      const offset = pair.key.range?.[0] ?? 0;
      if (forbiddenKeys.has(key)) {
        report("CONFIG_SYNTAX", offset, path, `the key ${key} is not allowed`, "rename it");
        continue;
      }
      if (key in map) {
        const remedy = "keep one of them; the second would hide the first";
        report("CONFIG_SYNTAX", offset, path, "this key is here twice", remedy);
        continue;
      }
      map[key] = visit(pair.value, [...path, key], offset, inside);
    }
    return map;
  }

  return visit(root, [], undefined, []);
}

/** Integers that a number cannot hold exactly stay what was written, as text. */
function scalarOf(node: { value: unknown; source?: string | undefined }): unknown {
  const { value, source } = node;
  if (typeof value === "bigint") return source ?? String(value);
  const inexact =
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return inexact && source !== undefined ? source : value;
}
