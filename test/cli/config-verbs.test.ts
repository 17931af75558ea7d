import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import { type AdminServer, serveAdmin } from "#src/api/serve.ts";
import { runDbc } from "#src/cli/dbc.ts";
import { lineDiff } from "#src/cli/line-diff.ts";
import { systemClock } from "#src/clock.ts";
import { createClusterPort } from "#src/cluster/operate/cluster-port.ts";
import { loadShared } from "#src/config/load-shared.ts";
import { silentLog } from "#src/log.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { fakePort } from "../api/fake-port.ts";
import { adminConfig } from "../support/admin-config.ts";
import { tempDir } from "../support/temp-dir.ts";
import { createTestCluster, type TestCluster } from "../support/test-cluster.ts";

const registry = createRegistry(builtins);
const dir = tempDir("config-verbs");
let cluster: TestCluster;
let server: AdminServer;

beforeAll(async () => {
  cluster = await createTestCluster([]);
  const port = createClusterPort({
    ...{ name: "shop", connect: "zk1:2181", clock: systemClock },
    node: () => cluster.member,
    check: async (text) => {
      const options = { registry, env: {}, text, withSecrets: true };
      return { problems: (await loadShared("push", options)).problems, restart: [] };
    },
  });
  server = await serveAdmin(adminConfig({}), { ...fakePort(), cluster: port }, silentLog);
});

afterAll(async () => {
  await server.stop();
  await cluster.close();
});

async function dbc(args: string) {
  let out = "";
  let err = "";
  const code = await runDbc(args.split(" "), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: { DBUS_ADMIN: server.url },
    terminal: false,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

function file(name: string, linger: string): string {
  const path = join(dir, name);
  const text = `inputs:
  - {name: made, plugin: MockInput}
outputs:
  - name: log
    plugin: MockOutput
    match: made
    batch: {lingerMs: ${linger}}
`;
  writeFileSync(path, text);
  return path;
}

describe("the configuration of a cluster", () => {
  test("is pushed, compared, told of, and brought back", async () => {
    expect((await dbc("config history")).out).toBe("no configuration was pushed yet\n");
    expect((await dbc("config diff")).err).toContain("no configuration was pushed yet [NOT_FOUND]");
    const first = file("first.yaml", "1");
    const second = file("second.yaml", "2");
    expect((await dbc(`config push ${first} --dry-run`)).out).toBe(
      `${first} would be taken; version 0 counts as before\n`,
    );
    expect((await dbc(`config push ${first}`)).out).toStartWith("version 1 counts now; ");
    expect((await dbc(`config push ${first}`)).out).toBe(
      "nothing is new in it: version 1 counts as before\n",
    );
    expect((await dbc(`config diff ${second}`)).out).toBe(`--- version 1
+++ ${second}
@@ -4 +4 @@
   - name: log
     plugin: MockOutput
     match: made
-    batch: {lingerMs: 1}
+    batch: {lingerMs: 2}
 
`);
    expect((await dbc(`config push ${second} --base 0`)).err).toContain("[CLUSTER_REFUSED]");
    expect((await dbc(`config push ${second} --base 1`)).code).toBe(0);
    expect((await dbc("config diff")).out).toContain("+    batch: {lingerMs: 2}\n");
    expect((await dbc("config show --version 1")).out).toContain("lingerMs: 1");
    expect((await dbc("config rollback")).out).toStartWith("version 3 counts now; ");
    const { out } = await dbc("config history");
    expect(out).toMatch(
      /^VERSION +AT +BY +WHAT +BYTES +SHA-256\n3 \* +\S+Z +\S.* version 1 again +\d/,
    );
    expect((await dbc("config rollback 2")).code).toBe(0);
    expect(JSON.parse((await dbc("config history --json")).out)).toMatchObject([
      ...[
        { n: 4, of: 2, current: true },
        { n: 3, of: 1, current: false },
      ],
      ...[
        { n: 2, of: null },
        { n: 1, of: null },
      ],
    ]);
  });

  test("is refused whole when it is not right, with every place, and nothing changes", async () => {
    const before = JSON.parse((await dbc("config history --json")).out);
    const path = file("wrong.yaml", "soon");
    const { code, out, err } = await dbc(`config push ${path}`);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("push:7:23: error: outputs[0].batch.lingerMs: ");
    const secret = join(dir, "secret.yaml");
    const input =
      "inputs: [{name: db, plugin: MysqlbinlogInput, host: h, user: u, password: hunter2}]";
    writeFileSync(secret, `${input}\noutputs: [{name: log, plugin: MockOutput, match: db}]\n`);
    const pushed = await dbc(`config push ${secret}`);
    expect(pushed.code).toBe(2);
    expect(pushed.err).toContain("[SECRET_IN_CLEAR]");
    expect(pushed.err).not.toContain("hunter2");
    expect(JSON.parse((await dbc("config history --json")).out)).toEqual(before);
  });

  test.each([
    ...["config", "config pull", "config push", "config push a b", "config history 1"],
    ...["config rollback x", "config rollback 0", "config push a --base -1"],
  ])("%s is not understood", async (args) => {
    expect(await dbc(args)).toMatchObject({ code: 2, out: "" });
  });

  test("a version that is not there is named", async () => {
    expect((await dbc("config show --version 99")).err).toContain("there is no version 99");
    expect((await dbc("config rollback 99")).err).toContain("there is no version 99");
  });
});

describe("lines that differ", () => {
  test.each([
    ["a\nb\nc", "a\nb\nc", ""],
    ["", "a", "@@ -1 +1 @@\n-\n+a\n"],
    ["a\nb", "b", "@@ -1 +1 @@\n-a\n b\n"],
    ["b", "a\nb", "@@ -1 +1 @@\n+a\n b\n"],
    ["a\nb\nc", "a\nx\nc", "@@ -1 +1 @@\n a\n-b\n+x\n c\n"],
  ])("from %j to %j", (before, after, expected) => {
    expect(lineDiff(before, after)).toBe(expected);
  });

  test("far changes are shown apart, each with its lines", () => {
    const lines = Array.from({ length: 40 }, (_, n) => `line ${n + 1}`);
    const after = lines.with(4, "five").toSpliced(29, 0, "new").join("\n");
    const text = lineDiff(lines.join("\n"), after);
    expect(text.match(/^@@.*$/gm)).toEqual(["@@ -2 +2 @@", "@@ -27 +27 @@"]);
    expect(text.match(/^[-+].*$/gm)).toEqual(["-line 5", "+five", "+new"]);
  });
});
