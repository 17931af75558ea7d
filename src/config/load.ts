import { readFileSync } from "node:fs";
import { DbusError, toDbusError } from "../errors.ts";
import type { Registry } from "../plugin/registry.ts";
import type { Config } from "./config.ts";
import { isRecord, problemAt, type Reading } from "./entries.ts";
import type { Loaded, Overrides } from "./loaded.ts";
import { hasErrors, inFileOrder, type Problem, pathText, problemsText } from "./problem.ts";
import { secretFiles, substitute } from "./substitute.ts";
import { readWhole } from "./whole.ts";
import { parseYaml } from "./yaml.ts";

export type LoadOptions = {
  readonly registry: Registry;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The text of the config, when it is not (or not yet) in the file. */
  readonly text?: string;
  readonly overrides?: Overrides;
};

/** Reads and checks a config whole; every problem of it is in the answer, none is thrown. */
export async function loadConfig(file: string, options: LoadOptions): Promise<Loaded> {
  const text = options.text ?? readText(file);
  if (typeof text !== "string") return { config: null, problems: [text], edges: [] };
  const yaml = parseYaml(text, file);
  const nothing = { config: null, edges: [] };
  if (hasErrors(yaml.problems)) return { ...nothing, problems: yaml.problems };
  if (!isRecord(yaml.value)) {
    const message = yaml.value === null ? "the file is empty" : "the file is not an object";
    const remedy = "it needs at least inputs: and outputs:; etc/ has samples";
    return { ...nothing, problems: [problemAt(yaml, [], message, remedy)] };
  }
  const env = options.env ?? process.env;
  const { value, paths, missing } = substitute(yaml.value, { env, readSecret: secretFiles(file) });
  const reading: Reading = {
    file,
    registry: options.registry,
    substituted: paths,
    placeOf: yaml.placeOf,
  };
  const absent = missing.map(({ path, what, remedy }): Problem => {
    return { ...problemAt(yaml, path, what, remedy), code: "SECRET_MISSING" };
  });
  const substituted = value as Record<string, unknown>;
  const whole = await readWhole(substituted, yaml.value, reading, options.overrides ?? {});
  // A secret that is not there is an empty text: what that breaks would only repeat the fact.
  const hidden = new Set(missing.map(({ path }) => pathText(path)));
  const others = whole.problems.filter((problem) => !hidden.has(problem.place.path ?? ""));
  const problems = inFileOrder([...absent, ...others]);
  const { edges, shown } = whole;
  return { config: hasErrors(problems) ? null : whole.config, problems, edges, shown };
}

/** The same, for callers that can do nothing with a config that is wrong. */
export async function requireConfig(file: string, options: LoadOptions): Promise<Config> {
  const { config, problems } = await loadConfig(file, options);
  if (config) return config;
  throw refusal(problems);
}

/** All that is wrong with a configuration as one error, under the code of the first of them. */
export function refusal(problems: readonly Problem[]): DbusError {
  const first = problems.find((problem) => problem.severity === "error");
  const place = first?.place ?? {};
  return new DbusError(first?.code ?? "CONFIG_INVALID", problemsText(problems), {
    place,
    problems,
    ...(first ? { remedy: first.remedy } : {}),
  });
}

function readText(file: string): string | Problem {
  try {
    const bytes = readFileSync(file);
    return textOf(bytes) ?? notUtf8(bytes, file);
  } catch (error) {
    const reason = (error as { code?: unknown } | null)?.code;
    const place = { file };
    const why = typeof reason === "string" ? reason : toDbusError(error).message;
    const message = `the file cannot be read: ${why}`;
    const { remedy } = new DbusError("CONFIG_NOT_FOUND", message);
    return { severity: "error", code: "CONFIG_NOT_FOUND", message, place, remedy };
  }
}

/** undefined when the bytes are not valid UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Names the first byte that is wrong. No byte of a longer character is a line feed. */
function notUtf8(bytes: Buffer, file: string): Problem {
  let line = 1;
  let from = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, from);
    const piece = bytes.subarray(from, end < 0 ? bytes.length : end);
    if (textOf(piece) === undefined || end < 0) {
      const column = [...piece.toString("utf8")].indexOf("\ufffd") + 1;
      const message = "a byte here is not valid UTF-8";
      const place = { file, line, column };
      const remedy = "save the file as UTF-8";
      return { severity: "error", code: "CONFIG_SYNTAX", message, place, remedy };
    }
    from = end + 1;
    line++;
  }
}
