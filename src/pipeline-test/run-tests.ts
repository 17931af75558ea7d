import { dirname, isAbsolute, join } from "node:path";
import type { Config } from "../config/config.ts";
import { requireConfig } from "../config/load.ts";
import { DbusError, toDbusError } from "../errors.ts";
import type { Registry } from "../plugin/registry.ts";
import { type Difference, differences } from "./compare.ts";
import { createPackets } from "./literal.ts";
import { requireNode, runPipeline } from "./pipeline.ts";
import { type PipelineTest, readTestFile, type TestFile } from "./test-file.ts";

export type TestResult = {
  readonly name: string;
  /** Where it begins in its file. */
  readonly line: number;
  readonly ok: boolean;
  readonly differences: readonly Difference[];
  /** Why it could not be run at all. */
  readonly error: ReturnType<DbusError["toJSON"]> | null;
};

export type FileResult = {
  readonly file: string;
  readonly config: string;
  readonly tests: readonly TestResult[];
};

export type TestOptions = {
  readonly registry: Registry;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** Runs the tests of one file. Throws when it, or its configuration, cannot be used. */
export async function runTestFile(file: string, options: TestOptions): Promise<FileResult> {
  const read = readTestFile(file);
  const named = read.config ?? configName(file);
  const path = isAbsolute(named) ? named : join(dirname(file), named);
  const env = { ...options.env, ...read.env };
  const config = await requireConfig(path, { registry: options.registry, env });
  const tests: TestResult[] = [];
  for (const test of read.tests) tests.push(await runTest(config, read, test));
  return { file, config: path, tests };
}

function configName(file: string): string {
  const name = file.slice(file.lastIndexOf("/") + 1);
  if (/\.test\.ya?ml$/.test(name)) return name.replace(/\.test(\.ya?ml)$/, "$1");
  throw new DbusError("USAGE", `${file} does not say which configuration it tests`, {
    remedy: "call it NAME.test.yaml beside NAME.yaml, or write config: in it",
  });
}

async function runTest(config: Config, file: TestFile, test: PipelineTest): Promise<TestResult> {
  const { name, line } = test;
  try {
    requireNames(config, test);
    const from = test.at === undefined ? (test.from ?? onlyInput(config)) : undefined;
    const make = createPackets(file.tables);
    const sender = [...config.inputs, ...config.filters].find((one) => one.name === from);
    const ident = sender?.ident ?? "test";
    const packets = test.packets.map((literal, i) => make(literal, ident, i + 1));
    const given = {
      packets,
      ...(from === undefined ? {} : { from }),
      ...(test.at === undefined ? {} : { at: test.at }),
    };
    const found = differences(test, await runPipeline(config, given));
    return { name, line, ok: found.length === 0, differences: found, error: null };
  } catch (thrown) {
    return { name, line, ok: false, differences: [], error: toDbusError(thrown).toJSON() };
  }
}

function requireNames(config: Config, { from, at, expect, ignore }: PipelineTest): void {
  if (from !== undefined) requireNode(config, "from", from);
  if (at !== undefined) requireNode(config, "at", at);
  const known = ["deadletters", "unrouted", ...config.outputs.map(({ name }) => name)];
  const unknown = [...Object.keys(expect), ...ignore].find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new DbusError("USAGE", `there is no output ${unknown}`, {
    remedy: `there are ${known.join(", ")}`,
  });
}

function onlyInput({ inputs }: Config): string {
  const [first] = inputs;
  if (first && inputs.length === 1) return first.name;
  const names = inputs.map(({ name }) => name).join(", ");
  throw new DbusError("USAGE", "the test does not say which input its packets are from", {
    remedy: `write from: with one of ${names}`,
  });
}

/** As people read it: a line a test, and of those that fail what is different. */
export function resultsText(results: readonly FileResult[]): string {
  const lines: string[] = [];
  for (const { file, tests } of results) {
    lines.push(file);
    for (const { name, line, ok, differences: found, error } of tests) {
      lines.push(ok ? `  ok   ${name}` : `  FAIL ${name} (${file}:${line})`);
      if (error) lines.push(`       ${error.message}`, `       ${error.remedy}`);
      for (const { at, lines: diff } of found) {
        lines.push(`       ${at}: - is what was expected, + is what came`);
        lines.push(...diff.map((line) => `         ${line}`));
      }
    }
  }
  const all = results.flatMap(({ tests }) => tests);
  const failed = all.filter(({ ok }) => !ok).length;
  lines.push(`${all.length} tests, ${failed === 0 ? "all ok" : `${failed} failed`}`, "");
  return lines.join("\n");
}
