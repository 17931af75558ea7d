import { describe, expect, test } from "bun:test";
import { houseRules } from "./tidy/house-rules.ts";
import { importRules } from "./tidy/import-rules.ts";
import { sourceFile, sourceFiles } from "./tidy/source-file.ts";

const rules = [importRules, ...houseRules];
const files = sourceFiles();

describe("the sources keep the house rules", () => {
  test("there are sources to look at", () => {
    expect(files.length).toBeGreaterThan(50);
  });

  for (const rule of rules) {
    test(rule.name, () => {
      const problems = files.flatMap((file) =>
        rule.check(file).map((problem) => `${file.path}: ${problem}`),
      );
      expect(problems).toEqual([]);
    });
  }
});

/** A breach of each rule: where it would stand, and what it would say. */
const breaches: ReadonlyArray<readonly [rule: string, path: string, text: string]> = [
  ["import rules", "src/flow/x.ts", 'import { z } from "zod";'],
  ["import rules", "src/flow/x.ts", 'import { load } from "#src/config/load.ts";'],
  ["import rules", "src/actor/x.ts", 'import type { Config } from "#src/config/config.ts";'],
  ["import rules", "src/actor/x.ts", 'import { Packet } from "../flow/packet.ts";'],
  ["import rules", "src/clients/mysql/x.ts", 'import { s } from "#src/checkpoint/store.ts";'],
  ["import rules", "src/api/x.ts", 'import { a } from "#actors/engine-actor.ts";'],
  ["import rules", "src/config/x.ts", 'const m = await import("mysql2");'],
  ["import rules", "actors/router-actor.ts", 'import { a } from "./filter-actor.ts";'],
  ["import rules", "plugins/input/a/a-input.ts", 'import { b } from "../b/b-input.ts";'],
  ["import rules", "plugins/input/a/a-input.ts", 'import { log } from "#src/log.ts";'],
  ["import rules", "plugins/output/a/a-output.ts", 'import {\n  Kafka,\n} from "kafkajs";'],
  ["import rules", "plugins/output/a/a-output.ts", 'import { Hono } from "hono";'],
  ["import rules", "src/x.ts", 'import { waitFor } from "../test/support/index.ts";'],
  ["import rules", "src/x.ts", 'import { a } from "./a";'],
  ["default export", "src/x.ts", "export default 1;"],
  ["enum", "src/x.ts", "export enum Colour { Red }"],
  ["any", "src/x.ts", "const x: any = 1;"],
  ["any", "src/x.ts", "const x = y as any;"],
  ["class hierarchy", "src/x.ts", "class A extends B {}"],
  ["console", "src/x.ts", 'console.log("x");'],
  ["mock.module", "test/x.test.ts", 'mock.module("x", () => ({}));'],
  ["test.only", "test/x.test.ts", 'test.only("x", () => {});'],
  ["silent skip", "test/x.test.ts", 'test.skip("x", () => {});'],
  ["waiting for time", "test/x.test.ts", "await Bun.sleep(100);"],
  ["time past the clock", "src/x.ts", "const at = Date.now();"],
  ["suppressed types", "src/x.ts", "// @ts-ignore"],
  ["notes left behind", "src/x.ts", "// TODO later"],
  ["file length", "src/x.ts", "\n".repeat(301)],
  ["file name", "src/myFile.ts", ""],
  ["paths of a machine", "src/x.ts", 'const dir = "/home/me/x";'],
];

describe("each rule sees a breach of it", () => {
  for (const [name, path, text] of breaches) {
    test(`${name}: ${JSON.stringify(text.slice(0, 60))} in ${path}`, () => {
      const rule = rules.find((candidate) => candidate.name === name);
      expect(rule?.check(sourceFile(path, text))).toHaveLength(1);
    });
  }

  test("words in comments and strings are not code", () => {
    const file = sourceFile("src/x.ts", '// console.log(1)\nconst x = "console.log(2): any";\n');
    expect(rules.flatMap((rule) => rule.check(file))).toEqual([]);
  });
});
