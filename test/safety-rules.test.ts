import { expect, test } from "bun:test";
import { exceptions, safetyRules } from "./tidy/safety-rules.ts";
import { sourceFile, sourceFiles } from "./tidy/source-file.ts";

const files = sourceFiles();

test.each(safetyRules.map((rule) => [rule.name, rule] as const))(
  "S15: the sources keep clear of %s",
  (_, rule) => {
    const problems = files.flatMap((file) => rule.check(file).map((one) => `${file.path}: ${one}`));
    expect(problems).toEqual([]);
  },
);

test.each([
  ["code from text (S15)", "const f = new Function(name);"],
  ["code from text (S15)", "eval(text);"],
  ["other programs (S15)", 'import { exec } from "node:child_process";'],
  ["other programs (S15)", "await Bun.$`ls`;"],
  ["a shell (S15)", 'run(["sh", "-c", text]);'],
  ["modules by a computed path (S15)", "await import(path);"],
  ["modules by a computed path (S15)", "await import(`./${name}.ts`);"],
  ["regular expressions from text (S14)", "new RegExp(config.pattern);"],
  ["requests to URLs (S12, S15)", "await fetch(url);"],
  ["certificates that are not looked at (S5)", "connect({ rejectUnauthorized: false });"],
  ["predictable names in /tmp (S9)", 'join(tmpdir(), "dag.png");'],
])("S15: the rule about %s sees a breach of it: %s", (name, text) => {
  const rule = safetyRules.find((one) => one.name === name);
  expect(rule?.check(sourceFile("src/x.ts", text))).toHaveLength(1);
  expect(rule?.check(sourceFile("src/x.ts", `// ${text}`))).toEqual([]);
});

test("S15: every exception is still needed", () => {
  const idle = exceptions.filter(([, path, pattern]) => {
    const file = files.find((one) => one.path === path);
    return !file || file.text.search(new RegExp(pattern.source)) < 0;
  });
  expect(idle).toEqual([]);
});
