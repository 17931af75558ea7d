import { dirname, resolve } from "node:path";
import { DbusError } from "../errors.ts";
import { readTokenFile } from "../http/token-file.ts";
import { adminHazard } from "./admin-address.ts";
import { unsafeCluster } from "./cluster-hazards.ts";
import { compileGraph, type Graph } from "./compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "./config.ts";
import { type AnyEntry, isRecord, problemAt, type Reading, readEntry } from "./entries.ts";
import { unsafeExactlyOnce } from "./exactly-once.ts";
import { checkWith } from "./issues.ts";
import { jsonSchemaOf } from "./json-schema.ts";
import type { Loaded, Overrides } from "./loaded.ts";
import { meant } from "./nearest.ts";
import { hasErrors, type Path, type Problem, placeText } from "./problem.ts";
import { redact } from "./redact.ts";
import { entriesMax, type Group, groups, sections } from "./schema.ts";
import { sharedBuffers } from "./shared-buffers.ts";

type Tree = Readonly<Record<string, unknown>>;
type Sections = Pick<Config, "bus" | "state" | "admin" | "log" | "cluster">;

/** Checks every section and entry, and the graph that they make. `raw` is `value` as written. */
export async function readWhole(
  value: Tree,
  raw: Tree,
  reading: Reading,
  overrides: Overrides,
): Promise<Loaded> {
  const problems: Problem[] = unknownSections(value, reading);
  const shown: Record<string, unknown> = {};
  const section = readSections(withConnect(value, overrides), raw, shown, reading, problems);
  const read: AnyEntry[] = [];
  for (const group of Object.keys(groups) as Group[]) {
    read.push(...(await readGroup(group, value[group], raw[group], shown, reading, problems)));
  }
  problems.push(...duplicateNames(value, reading));
  const entries = {
    inputs: read.flatMap((one): InputEntry[] => (one.kind === "input" ? [one.entry] : [])),
    filters: read.flatMap((one): FilterEntry[] => (one.kind === "filter" ? [one.entry] : [])),
    outputs: read.flatMap((one): OutputEntry[] => (one.kind === "output" ? [one.entry] : [])),
  };
  // The graph of half a config would only name what is missing because it is wrong itself.
  const graph: Graph = hasErrors(problems)
    ? { edges: [], problems: [] }
    : compileGraph(entries, (one, match) => {
        const at = read.find(({ entry }) => entry === one)?.at ?? [];
        return reading.placeOf(matchPath(at, one.match.indexOf(match), raw));
      });
  problems.push(...graph.problems);
  if (section === null) return { config: null, problems, edges: graph.edges, shown };
  const { file } = reading;
  const config = { file, ...override(section, overrides, file), ...entries, shown };
  problems.push(...unsafeAdmin(config.admin, reading, overrides));
  problems.push(...tokenFiles(config.admin, reading));
  problems.push(...unsafeCluster(config.cluster, reading));
  const whole = { ...config, edges: graph.edges };
  problems.push(...sharedBuffers(whole, read, reading));
  // A config that is wrong has no graph by which this could be judged.
  if (!hasErrors(problems)) problems.push(...unsafeExactlyOnce(whole, read, reading));
  return { config, problems, edges: graph.edges, shown };
}

function override(section: Sections, overrides: Overrides, file: string): Sections {
  const { level, format } = section.log;
  // As with the files of references, a path that is not absolute starts at the config's folder.
  const tokens = section.admin.tokens.map((one) => {
    return one.tokenFile ? { ...one, tokenFile: resolve(dirname(file), one.tokenFile) } : one;
  });
  return {
    bus: section.bus,
    state: { dir: overrides.stateDir ?? section.state.dir },
    admin: { ...section.admin, ...overrides.admin, tokens },
    log: { level: overrides.logLevel ?? level, format: overrides.logFormat ?? format },
    cluster: section.cluster,
  };
}

/** `--cluster` before anything is checked: it stands for a section that may be missing otherwise. */
function withConnect(value: Tree, { cluster, clusterDefaults }: Overrides): Tree {
  const written = value.cluster ?? {};
  if (cluster === undefined || !isRecord(written)) return value;
  return { ...value, cluster: { ...clusterDefaults, ...written, connect: cluster } };
}

function unknownSections(value: Tree, reading: Reading): Problem[] {
  const known = [...Object.keys(sections), ...Object.keys(groups)];
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const place = reading.placeOf([key], "key");
      const remedy = meant(key, known, "what is known here");
      return { ...problemAt(reading, [key], `unknown section ${key}`, remedy), place };
    });
}

function readSections(
  value: Tree,
  raw: Tree,
  shown: Record<string, unknown>,
  reading: Reading,
  problems: Problem[],
): Sections | null {
  const read: Record<string, unknown> = {};
  let whole = true;
  for (const [key, schema] of Object.entries(sections)) {
    const json = jsonSchemaOf(schema);
    const checking = { ...reading, at: [key], json };
    // `bus:` with nothing, or only comments, below it is the same as no `bus:` at all.
    const checked = checkWith(schema, value[key] ?? undefined, checking);
    problems.push(...checked.problems);
    whole &&= checked.problems.length === 0;
    read[key] = checked.value;
    if (raw[key] !== undefined) shown[key] = redact(raw[key], json);
  }
  return whole ? (read as Sections) : null;
}

async function readGroup(
  group: Group,
  value: unknown,
  raw: unknown,
  shown: Record<string, unknown>,
  reading: Reading,
  problems: Problem[],
): Promise<readonly AnyEntry[]> {
  const kind = groups[group];
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) {
    const remedy = `add at least one: ${group}: [{name: …, plugin: …}]`;
    if (kind !== "filter") problems.push(problemAt(reading, [group], `no ${group}`, remedy));
    return [];
  }
  if (!Array.isArray(value) || value.length > entriesMax) {
    const remedy = `write ${group}: and below it one "- name: …" an entry, at most ${entriesMax}`;
    problems.push(problemAt(reading, [group], `${group} is a list of entries`, remedy));
    return [];
  }
  const entries: AnyEntry[] = [];
  const views: unknown[] = [];
  for (const [at, item] of value.entries()) {
    const written = (raw as readonly unknown[])[at];
    const one = await readEntry(kind, item, written, [group, at], reading);
    if (one.read) entries.push(one.read);
    problems.push(...one.problems);
    views.push(one.shown);
  }
  shown[group] = views;
  return entries;
}

/** Over all three groups, and over entries that are wrong in other ways too. */
function duplicateNames(value: Tree, reading: Reading): readonly Problem[] {
  const first = new Map<string, Path>();
  const problems: Problem[] = [];
  for (const group of Object.keys(groups)) {
    const list = value[group];
    for (const [at, item] of Array.isArray(list) ? list.entries() : []) {
      const name = (item as { name?: unknown } | null)?.name;
      if (typeof name !== "string") continue;
      const path = [group, at, "name"];
      const other = first.get(name);
      if (other === undefined) first.set(name, path);
      else {
        const remedy = `rename one of them; the first is at ${placeText(reading.placeOf(other))}`;
        problems.push(problemAt(reading, path, `a second entry is called ${name}`, remedy));
      }
    }
  }
  return problems;
}

function unsafeAdmin(
  admin: Config["admin"],
  reading: Reading,
  overrides: Overrides,
): readonly Problem[] {
  const message = admin.enabled ? adminHazard(admin) : null;
  if (message === null) return [];
  const { remedy } = new DbusError("ADMIN_UNSAFE", message);
  const problem = problemAt(reading, ["admin", "host"], message, remedy);
  const place = overrides.admin ? { file: "--admin" } : problem.place;
  return [{ ...problem, place, code: "ADMIN_UNSAFE" }];
}

/** The files are read again while the daemon runs, but must be there when it starts. */
function tokenFiles({ enabled, tokens }: Config["admin"], reading: Reading): readonly Problem[] {
  return tokens.flatMap(({ tokenFile }, at): Problem[] => {
    const fault = enabled && tokenFile !== undefined ? readTokenFile(tokenFile).fault : undefined;
    if (fault === undefined) return [];
    const message = `the file ${tokenFile} ${fault}`;
    const remedy = "write the token into it, one line, readable for the user that dbusd runs as";
    const problem = problemAt(reading, ["admin", "tokens", at, "tokenFile"], message, remedy);
    return [{ ...problem, code: "SECRET_MISSING" }];
  });
}

/** The item of `match` itself, so that the editor jumps to the word and not to the entry. */
function matchPath(at: Path, index: number, raw: Tree): Path {
  const list = raw[String(at[0])] as readonly { readonly match?: unknown }[] | undefined;
  const isList = Array.isArray(list?.[Number(at[1])]?.match);
  return isList ? [...at, "match", index] : [...at, "match"];
}
