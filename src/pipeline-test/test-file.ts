import { readFileSync } from "node:fs";
import { z } from "zod";
import { checkWith } from "../config/issues.ts";
import { jsonSchemaOf } from "../config/json-schema.ts";
import { type Problem, problemsText } from "../config/problem.ts";
import { parseYaml } from "../config/yaml.ts";
import { DbusError } from "../errors.ts";
import { packetSchema, tableSchema } from "./literal.ts";

/** What a packet that failed is expected with. */
const failureSchema = z.strictObject({
  node: z.string().optional().describe("The filter that it failed in."),
  code: z.string().optional().describe("The code of its error."),
  reason: z.string().optional().describe("A part of the words of its error."),
});

const pipelineTestSchema = z
  .strictObject({
    name: z.string().min(1).describe("What is shown, in one line."),
    from: z
      .string()
      .optional()
      .describe("The input, or the filter, that sends the packets. Default: the only input."),
    at: z.string().optional().describe("The filter that is given them, in place of `from`."),
    packets: z.array(packetSchema).max(10_000).describe("What goes in, in order."),
    expect: z
      .record(z.string(), z.array(z.unknown()))
      .describe(
        "What comes out, by output and in order; `deadletters` are the packets that failed, " +
          "`unrouted` those that nothing matched. What gets packets and is not named fails the test.",
      ),
    ignore: z.array(z.string()).default([]).describe("Outputs that may get what they want."),
  })
  .refine(({ from, at }) => from === undefined || at === undefined, "write from or at");

export const testFileSchema = z.strictObject({
  config: z
    .string()
    .optional()
    .describe("The configuration, from this file's folder. Default: this name without .test."),
  env: z.record(z.string(), z.string()).default({}).describe("Variables for the configuration."),
  tables: z.record(z.string(), tableSchema).default({}).describe("Tables of rows, by db.table."),
  tests: z.array(pipelineTestSchema).min(1).max(1_000).describe("The tests."),
});

/** Its `line` is where it begins in its file. */
export type PipelineTest = z.infer<typeof pipelineTestSchema> & { readonly line: number };
export type TestFile = Omit<z.infer<typeof testFileSchema>, "tests"> & {
  readonly tests: readonly PipelineTest[];
};
export type Failure = z.infer<typeof failureSchema>;

/** Throws with all that is wrong with the file, each with its place. */
export function readTestFile(file: string): TestFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new DbusError("CONFIG_NOT_FOUND", `${file} cannot be read`, { cause: error });
  }
  const yaml = parseYaml(text, file);
  refuse(yaml.problems);
  const json = jsonSchemaOf(testFileSchema);
  const checking = { at: [], json, placeOf: yaml.placeOf, substituted: new Set<string>() };
  const { value, problems } = checkWith(testFileSchema, yaml.value, checking);
  refuse(problems);
  const read = value as z.infer<typeof testFileSchema>;
  read.tests.forEach((test, i) => {
    for (const [name, expected] of Object.entries(test.expect)) {
      const schema = name === "deadletters" ? failureSchema : packetSchema;
      const at = ["tests", i, "expect", name];
      const own = { ...checking, at, json: jsonSchemaOf(z.array(schema)) };
      refuse(checkWith(z.array(schema), expected, own).problems);
    }
  });
  const lineOf = (i: number) => yaml.placeOf(["tests", i]).line ?? 1;
  const tests = read.tests.map((test, i) => ({ ...test, line: lineOf(i) }));
  return { ...read, tests };
}

function refuse(problems: readonly Problem[]): void {
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return;
  throw new DbusError("CONFIG_INVALID", problemsText(errors).trimEnd(), { problems: errors });
}
