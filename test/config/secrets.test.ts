import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "#src/config/load.ts";
import { withoutUserinfo } from "#src/config/redact.ts";
import { isBareReference, substitute } from "#src/config/substitute.ts";
import { fakeRegistry } from "./fake-plugins.ts";

const outputs = "outputs: [{name: out, plugin: FakeOutput, match: in}]\n";

async function fakeConfig(fields: string, env: Record<string, string>) {
  const text = `inputs:\n  - name: in\n    plugin: FakeInput\n${fields}${outputs}`;
  return loadConfig("c.yaml", { registry: fakeRegistry, text, env });
}

const put = (text: string, env: Record<string, string> = {}) =>
  substitute(text, { env, readSecret: (path) => `<${path}>` }).value;

test.each([
  ["${A}", "1"],
  ["x${A}y${B}", "x1y"],
  ["${C:-d}", "d"],
  ["${B:-d}", "d"],
  ["${A:-d}", "1"],
  ["${C:-}", ""],
  ["$${A}", "${A}"],
  ["$$${A}", "$${A}"],
  ["$A", "$A"],
  ["cdc.${db}.${tbl}", "cdc.${db}.${tbl}"],
  ["${Mixed}", "${Mixed}"],
  ["${A", "${A"],
  ["${file:/run/x}", "</run/x>"],
  ["${NESTED}", "${A}"],
])("%s becomes %s", (text, expected) => {
  expect(put(text, { A: "1", B: "", NESTED: "${A}" })).toBe(expected);
});

test("keys are never substituted", () => {
  const source = { env: { A: "1" }, readSecret: () => "" };
  expect(substitute({ "${A}": "${A}" }, source).value).toEqual({ "${A}": "1" });
});

test("a reference is told from one with a default", () => {
  expect(isBareReference("${A}")).toBe(true);
  expect(isBareReference("${file:/x}")).toBe(true);
  expect(isBareReference("${A:-hunter2}")).toBe(false);
});

test("a variable becomes the number or boolean that the schema asks for", async () => {
  const fields = '    port: ${PORT}\n    follow: "${FOLLOW}"\n    url: ${PORT}\n';
  const { config, problems } = await fakeConfig(fields, { PORT: "3306", FOLLOW: "true" });
  expect(problems).toEqual([]);
  expect(config?.inputs[0]?.config).toMatchObject({ port: 3306, follow: true, url: "3306" });
});

test("a variable that is not the number it should be is refused without showing it", async () => {
  const { problems } = await fakeConfig("    port: ${PORT}\n", { PORT: "hunter2" });
  expect(problems.map((problem) => problem.place.path)).toEqual(["inputs[0].port"]);
  expect(JSON.stringify(problems)).not.toContain("hunter2");
});

test("a secret file is read without its last line end, from the config's folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dbus-secret-"));
  try {
    writeFileSync(join(folder, "pw"), "hunter2\r\n");
    const text = `inputs:\n  - {name: in, plugin: FakeInput, password: "\${file:pw}"}\n${outputs}`;
    const file = join(folder, "c.yaml");
    const { config } = await loadConfig(file, { registry: fakeRegistry, text, env: {} });
    expect(config?.inputs[0]?.config).toMatchObject({ password: "hunter2" });
    expect(JSON.stringify(config?.shown)).not.toContain("hunter2");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("no secret is in what is shown, however it came in; references are", async () => {
  const env = { PW: "canary-1", URL: "mysql://u:canary-2@h/", KEY: "canary-3" };
  const fields = `    password: canary-4
    url: mysql://root:canary-5@db:3306/shop?password=canary-6&charset=utf8
    tls: {ca: /ca.pem, key: "\${KEY}"}
`;
  const { config } = await fakeConfig(fields, env);
  const text = JSON.stringify([config?.shown, config?.inputs[0]?.shown]);
  expect(text).not.toContain("canary");
  expect(text).toContain("[redacted]");
  expect(text).toContain("mysql://db:3306/shop?password=[redacted]&charset=utf8");
  expect(text).toContain("${KEY}");
  expect(text).toContain("/ca.pem");
});

test("a default beside a reference to a secret is hidden too", async () => {
  const { config } = await fakeConfig("    password: ${PW:-canary}\n", {});
  expect(JSON.stringify(config?.shown)).not.toContain("canary");
});

test("the admin token is never shown", async () => {
  const text = `admin: {token: canary-canary-canary}
inputs: [{name: in, plugin: FakeInput}]\n${outputs}`;
  const { config } = await loadConfig("c.yaml", { registry: fakeRegistry, text, env: {} });
  expect(config?.admin.token).toBe("canary-canary-canary");
  expect(JSON.stringify(config?.shown)).not.toContain("canary");
});

test.each([
  ["mysql://u:p@h:3306/db", "mysql://h:3306/db"],
  ["mysql://u@h/db", "mysql://h/db"],
  ["http://h/x?token=abc", "http://h/x?token=[redacted]"],
  ["kafka://h1:9092,h2:9092", "kafka://h1:9092,h2:9092"],
  ["http://u:p@h1,http://u:p@h2", "[redacted]"],
  ["http://a:1,http://u:p@h2", "http://a:1,http://h2/"],
  ["http://u:p,w@h", "http://h/"],
  ["http://u:p#w@h", "[redacted]"],
  ["http://u:1#w@h", "[redacted]"],
  ["http://u:p w/@h", "[redacted]"],
  ["mysql://${USER}:${PW}@${HOST}/db", "mysql://${HOST}/db"],
  ["someone@example.org", "someone@example.org"],
  ["cdc.${db}.${tbl}", "cdc.${db}.${tbl}"],
])("%s is shown as %s", (url, expected) => {
  expect(withoutUserinfo(url)).toBe(expected);
});

test("a secret is read as far as a secret may go, also from what has no end", async () => {
  const { config, problems } = await fakeConfig('    password: "${file:/dev/zero}"\n', {});
  expect(config).toBeNull();
  expect(problems.map(({ code, message }) => `${code}: ${message}`)).toEqual([
    "SECRET_MISSING: the file /dev/zero cannot be read: larger than 65536 bytes",
  ]);
});
