import type { z } from "zod";
import { type Place, toDbusError } from "../errors.ts";
import type { FilterPlugin, InputPlugin, OutputPlugin, Plugin } from "../plugin/define.ts";
import { contentOf, type Registry } from "../plugin/registry.ts";
import type { FilterEntry, InputEntry, OutputEntry } from "./config.ts";
import { checkWith } from "./issues.ts";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { nearest } from "./nearest.ts";
import { type Path, type Problem, pathText } from "./problem.ts";
import { redact } from "./redact.ts";
import {
  batchDefaults,
  bufferBytesMaxDefault,
  type EntryKind,
  entrySchemas,
  filterTimeoutMsDefault,
  retryDefaults,
  timeoutMsDefault,
} from "./schema.ts";

/** What checking an entry needs to know of the file around it. */
export type Reading = {
  readonly file: string;
  readonly registry: Registry;
  readonly substituted: ReadonlySet<string>;
  readonly placeOf: (path: Path, of?: "key" | "value") => Place;
};

export type AnyEntry =
  | { readonly kind: "input"; readonly at: Path; readonly entry: InputEntry }
  | { readonly kind: "filter"; readonly at: Path; readonly entry: FilterEntry }
  | { readonly kind: "output"; readonly at: Path; readonly entry: OutputEntry };

export type ReadEntry = {
  readonly read: AnyEntry | null;
  readonly problems: readonly Problem[];
  /** The entry as it may be shown, even when it is wrong. */
  readonly shown: unknown;
};

/** Common and plugin fields in one schema: what an entry of this plugin may hold. */
export function entryJsonSchema(kind: EntryKind, plugin: Plugin | null): JsonSchema {
  const common = jsonSchemaOf(entrySchemas[kind]);
  if (plugin === null) return common;
  const own = jsonSchemaOf(plugin.configSchema);
  return {
    ...own,
    properties: { ...common.properties, ...own.properties },
    required: [...(common.required ?? []), ...(own.required ?? [])],
  };
}

/** Checks one entry of `inputs`, `filters` or `outputs`: `value` substituted, `raw` as written. */
export async function readEntry(
  kind: EntryKind,
  value: unknown,
  raw: unknown,
  at: Path,
  reading: Reading,
): Promise<ReadEntry> {
  if (!isRecord(value)) {
    const remedy = "write name: and plugin: with the plugin's own fields below";
    const problem = problemAt(reading, at, "an entry is an object", remedy);
    return { read: null, problems: [problem], shown: raw };
  }
  const { plugin, problem } = await findPlugin(kind, value.plugin, at, reading);
  const problems: Problem[] = problem ? [problem] : [];
  const json = entryJsonSchema(kind, plugin);
  const checking = { at, json, placeOf: reading.placeOf, substituted: reading.substituted };
  const [common, own] = split(kind, value, plugin !== null);
  const base = checkWith(entrySchemas[kind], common, checking);
  const fields = plugin ? checkWith(plugin.configSchema, own, checking) : null;
  problems.push(...base.problems, ...(fields?.problems ?? []));
  const shown = redact(raw, json);
  if (plugin === null || problems.length > 0) return { read: null, problems, shown };
  const place = reading.placeOf(at);
  try {
    const read = assemble(plugin, base.value, at, { config: fields?.value, shown, place });
    return { read: withContents(read, reading.file), problems, shown };
  } catch (error) {
    const { message, remedy } = toDbusError(error);
    return { read: null, problems: [problemAt(reading, at, message, remedy)], shown };
  }
}

/** The common fields, and the rest; without a known plugin the rest cannot be judged. */
function split(
  kind: EntryKind,
  value: Readonly<Record<string, unknown>>,
  known: boolean,
): [common: Record<string, unknown>, own: Record<string, unknown>] {
  const keys = new Set(Object.keys(entrySchemas[kind].shape));
  const common: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(value)) {
    if (keys.has(key)) common[key] = part ?? undefined;
    else if (known) own[key] = part;
  }
  return [common, own];
}

async function findPlugin(
  kind: EntryKind,
  written: unknown,
  at: Path,
  reading: Reading,
): Promise<{ plugin: Plugin | null; problem?: Problem }> {
  if (typeof written !== "string" || written === "") return { plugin: null };
  try {
    return { plugin: await reading.registry.find(kind, written, reading.file) };
  } catch (error) {
    const failure = toDbusError(error);
    const names = reading.registry.names(kind);
    const near = failure.code === "PLUGIN_UNKNOWN" ? nearest(written, names) : undefined;
    const choice = `${failure.remedy}; ${kind}s: ${names.join(", ")}`;
    const unknown = failure.code === "PLUGIN_UNKNOWN" ? choice : failure.remedy;
    const remedy = near ? `did you mean "${near}"?` : unknown;
    const problem = problemAt(reading, [...at, "plugin"], failure.message, remedy);
    return { plugin: null, problem: { ...problem, code: failure.code } };
  }
}

type Parts = { readonly config: unknown; readonly shown: unknown; readonly place: Place };

function assemble(plugin: Plugin, base: unknown, at: Path, parts: Parts): AnyEntry {
  switch (plugin.kind) {
    case "input": {
      const { name, ident = name, ...common } = base as z.infer<typeof entrySchemas.input>;
      const idents = identsOf(plugin, parts.config, ident);
      return { kind: "input", at, entry: { name, ...common, plugin, ident, idents, ...parts } };
    }
    case "filter": {
      const filter = base as z.infer<typeof entrySchemas.filter>;
      const { name, ident = name, match, onFailed } = filter;
      const timeoutMs = filter.timeoutMs ?? plugin.defaults?.timeoutMs ?? filterTimeoutMsDefault;
      const idents = identsOf(plugin, parts.config, ident);
      const own = { name, plugin, timeoutMs, onFailed, ident, idents, match: [match].flat() };
      const entry = { ...own, ...parts };
      return { kind: "filter", at, entry };
    }
    case "output":
      return { kind: "output", at, entry: outputEntry(plugin, base as OutputBase, parts) };
  }
}

/** A reload compares what is in a filter's files, and refuses what is no TypeScript. */
function withContents(read: AnyEntry, file: string): AnyEntry {
  if (read.kind !== "filter") return read;
  const { plugin, config } = read.entry;
  const written = plugin.files?.(config) ?? [];
  if (written.length === 0) return read;
  const contents = Object.fromEntries(written.map((one) => [one, contentOf(one, file)]));
  return { ...read, entry: { ...read.entry, contents } };
}

type OutputBase = z.infer<typeof entrySchemas.output>;

function outputEntry(plugin: OutputPlugin, base: OutputBase, parts: Parts): OutputEntry {
  const { name, match, onFailed } = base;
  const { defaults } = plugin;
  const batch = { ...batchDefaults, ...defaults?.batch, ...defined(base.batch) };
  const retry = { ...retryDefaults, ...defaults?.retry, ...defined(base.retry) };
  const timeoutMs = base.timeoutMs ?? defaults?.timeoutMs ?? timeoutMsDefault;
  const { kind } = base.buffer;
  const bytesMax = base.buffer.bytesMax ?? (kind === "disk" ? bufferBytesMaxDefault : 0);
  const common = { batch, retry, timeoutMs, onFailed, buffer: { kind, bytesMax } };
  return { name, plugin, match: [match].flat(), ...common, ...parts };
}

function identsOf(
  plugin: InputPlugin | FilterPlugin,
  config: unknown,
  ident: string,
): readonly string[] {
  return plugin.idents?.(config, ident) ?? [ident];
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, part]) => part !== undefined),
  ) as Defined<T>;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function problemAt(
  reading: Pick<Reading, "placeOf">,
  path: Path,
  message: string,
  remedy: string,
): Problem {
  const place = { ...reading.placeOf(path), path: pathText(path) };
  return { severity: "error", code: "CONFIG_INVALID", message, place, remedy };
}
