import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AdminServer, serveAdmin } from "#src/api/serve.ts";
import { adminUrl } from "#src/cli/client.ts";
import { runDbc, verbs } from "#src/cli/dbc.ts";
import { placeText } from "#src/cli/verbs/dead-letters.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "../api/fake-port.ts";
import { adminConfig } from "../support/admin-config.ts";

const token = "0123456789abcdef";
const port = fakePort();
let server: AdminServer;
let folder = "";

beforeAll(async () => {
  server = await serveAdmin(adminConfig({ token }), port, silentLog);
  folder = mkdtempSync(join(tmpdir(), "dbus-dbc-"));
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function dbc(args: string, env: Record<string, string> = { DBUS_TOKEN: token }) {
  let out = "";
  let err = "";
  const code = await runDbc(args.split(" "), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: { DBUS_ADMIN: server.url, ...env },
    terminal: false,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

test("status tells what runs, how fast, how far behind, and what to look at", async () => {
  const { code, out } = await dbc("status");
  expect(code).toBe(0);
  expect(out).toBe(`dbus 0.1.0  pid 42  ready  up 1m 1s  memory 80.0 MiB (at most 400 MiB)
config dbus.yaml  version 2  0123456789ab  loaded 2026-09-21T14:13:30Z

INPUT  READS                 STATE    PACKETS  PER S  IN FLIGHT  LAG
shop   mysql 127.0.0.1:3306  running    1,200     20         12  0.5s

FILTER    STATE    PACKETS  PER S  EMITTED  DROPPED  FAILED
by-table  running    1,200     20    1,000      200       0

OUTPUT  STATE    PACKETS  PER S  QUEUED  RETRIED  FAILED
kafka   backoff      900     15     100        4       1

kafka: waiting for broker
kafka: last error INTERNAL: connection refused
7 packets matched nothing, from: shop.secret
1 dead letter: dbc deadletters list
1 gap in a source: dbc gaps
`);
});

test("watching goes on until its count, as objects a line for machines", async () => {
  const { out } = await dbc("status --watch --json --count 2 --interval 0.01");
  const lines = out.trim().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines.map((line) => JSON.parse(line).pid)).toEqual([42, 42]);
});

test("reload says what has changed, whom that concerns, and for whom it waited", async () => {
  expect((await dbc("reload")).out).toBe(`version 3 runs now:
KIND    NAME   CHANGE   WHAT
output  kafka  changed  brokers; starts anew
before that, what these inputs had in flight has arrived: shop
`);
  const dry = await dbc("reload --dry-run --json");
  expect(JSON.parse(dry.out)).toMatchObject({ outcome: "dry-run", rerouted: ["shop"] });
  expect(port.calls.slice(-2)).toEqual([
    ["reload", "the admin API"],
    ["reload", "the admin API", "dry"],
  ]);
  expect(await dbc("reload other.yaml")).toMatchObject({ code: 2 });
});

test("topology is a tree that names what was drawn above only once more", async () => {
  expect((await dbc("topology")).out).toBe(`shop (MysqlbinlogInput)
├─ by-table (MysqlbinlogFilter)  takes shop
│  ├─ kafka (KafkaOutput)  takes shop.*
│  └─ file (StreamOutput)  takes *
└─ file (StreamOutput)  takes *
`);
});

test("topology for Graphviz", async () => {
  expect((await dbc("topology --dot")).out).toBe(`digraph dbus {
  rankdir=LR;
  "shop" [shape=cds, label="shop\\nMysqlbinlogInput"];
  "by-table" [shape=box, label="by-table\\nMysqlbinlogFilter"];
  "kafka" [shape=cylinder, label="kafka\\nKafkaOutput"];
  "file" [shape=cylinder, label="file\\nStreamOutput"];
  "shop" -> "by-table";
  "shop" -> "file";
  "by-table" -> "kafka";
  "by-table" -> "file";
}
`);
});

test("supervisor is a table with the tree in its first column", async () => {
  const { out } = await dbc("supervisor");
  expect(out.split("\n").slice(0, 4)).toEqual([
    "ACTOR                      STATE    RESTARTS  MAIL  HANDLED  BUSY MS  CREDIT      LAST ERROR",
    "engine (rest_for_one)      running         0     2       55       12  kafka 1900  -",
    "  pipeline (rest_for_one)  running         0     2       55       12  kafka 1900  -",
    "    router                 running         2     2       55       12  kafka 1900  -",
  ]);
});

test("pause and resume say what they did, and refuse what is not there", async () => {
  port.calls.length = 0;
  expect(await dbc("pause shop")).toEqual({ code: 0, out: "shop is paused\n", err: "" });
  expect(await dbc("resume shop")).toEqual({ code: 0, out: "shop is resumed\n", err: "" });
  expect(port.calls).toEqual([
    ["pause", "shop"],
    ["resume", "shop"],
  ]);
  const { code, err } = await dbc("pause nope");
  expect(code).toBe(1);
  expect(err).toBe("dbc: no input nope [NOT_FOUND]\n    list what there is with dbc status\n");
});

test("checkpoint get shows the position and the watermark", async () => {
  const { out } = await dbc("checkpoint get shop");
  expect(out).toContain('{"file":"bin.000001","pos":4}');
  expect((await dbc("checkpoint get nope")).code).toBe(1);
});

test("checkpoint set and reset find the only resource; a dry run changes nothing", async () => {
  port.calls.length = 0;
  const dry = await dbc('checkpoint set shop {"pos":9} --dry-run');
  expect(dry.out).toBe(
    'shop mysql-1 partition 0 would go from {"file":"bin.000001","pos":4} to {"pos":9}\n',
  );
  expect(port.calls.splice(0)).toEqual([
    ["set", { input: "shop", resource: "mysql-1", partition: "0" }, { pos: 9 }, "dry"],
  ]);
  await dbc('checkpoint set shop {"pos":9}');
  await dbc("checkpoint set shop bin.2:4 --resource r --partition p");
  expect((await dbc("checkpoint reset shop")).out).toContain("to nothing stored");
  expect(port.calls).toEqual([
    ["set", { input: "shop", resource: "mysql-1", partition: "0" }, { pos: 9 }],
    ["set", { input: "shop", resource: "r", partition: "p" }, "bin.2:4"],
    ["reset", { input: "shop", resource: "mysql-1", partition: "0" }],
  ]);
});

test("of several partitions one must be named: nothing is stored under one that nobody reads", async () => {
  port.calls.length = 0;
  for (const change of ['set topics {"offset":9}', "reset topics", "reset topics --dry-run"]) {
    const { code, err } = await dbc(`checkpoint ${change}`);
    expect([code, err]).toEqual([
      2,
      expect.stringContaining("partitions: orders/0, orders/1 [USAGE]"),
    ]);
    expect(err).toContain("[--partition P]");
  }
  expect(port.calls).toEqual([]);
  const { out } = await dbc("checkpoint reset topics --partition orders/1");
  expect(out).toBe(
    'topics kafka-group-g partition orders/1 went from {"offset":7} to nothing stored\n',
  );
});

test("dead letters are listed, shown whole, and redriven", async () => {
  const listed = (await dbc("deadletters list")).out;
  expect(listed).toMatch(/kafka +shop +"bin\.000001:4" +shop\.orders +OUTPUT_REJECTED +too large/);
  expect((await dbc("deadletters show 5")).out).toContain('"n": "9223372036854775808"');
  expect((await dbc("deadletters redrive 5 6")).out).toBe(
    "2 delivered, 0 failed again\n" +
      "order was lost, or may be: newer packets of the same key had passed before 6\n" +
      "  look at what the output has for those keys now\n",
  );
  expect((await dbc("deadletters redrive")).code).toBe(2);
  expect((await dbc("deadletters redrive 5 --all")).code).toBe(2);
});

test.each([
  ["0", { file: "bin.000001", pos: 4, rows: 2 }, "bin.000001:4 row 2"],
  ["orders/1", { offset: 384, partition: 1, leaderEpoch: 0 }, "orders/1 offset 383"],
  ["0", { offset: 90, file: { inode: 7 } }, "offset 90"],
  ["0", { lines: 3 }, '{"lines":3}'],
])("a dead letter of partition %s at %p is listed as %s", (partition, position, text) => {
  expect(placeText({ partition, position: JSON.stringify(position) })).toBe(text);
});

test("gaps say from where to where, and why", async () => {
  const { out } = await dbc("gaps");
  expect(out).toMatch(/shop +mysql-1 +0 +null +"bin.000009:4" +error 1236\n/);
});

test("every verb has its help, and help needs no daemon", async () => {
  for (const verb of verbs) {
    const { code, out } = await dbc(`${verb.name} --help`, { DBUS_ADMIN: "127.0.0.1:1" });
    expect(code).toBe(0);
    expect(out).toContain(`usage: dbc ${verb.usage[0]}`);
    expect(out).toContain("--admin URL");
  }
  const { out } = await dbc("--help");
  for (const verb of verbs) expect(out).toContain(verb.name);
  expect(out).toContain("Exit codes:");
});

test.each(verbs.map((verb) => verb.name))(
  "%s refuses an option that it does not know",
  async (name) => {
    const { code, err } = await dbc(`${name} --nope`);
    expect(code).toBe(2);
    expect(err).toContain("[USAGE]");
  },
);

test.each([
  ["statsu", 'did you mean "status"?'],
  ["pause", "usage: dbc pause INPUT"],
  ["checkpoint", "checkpoint get|set|reset"],
  ["checkpoint set shop", "usage: dbc checkpoint set INPUT POSITION"],
  ["deadletters list --limit many", "--limit is a whole number"],
  ["topology --dot --svg", "topology [--dot | --svg]"],
  ["status --admin x:y", "--admin 127.0.0.1:9876"],
  ["status --admin http://u:p@h:1", "DBUS_TOKEN"],
])("%s is answered with how it is written", async (args, says) => {
  const { code, err } = await dbc(args);
  expect(code).toBe(2);
  expect(err).toContain(says);
});

test.each(["9876", ":9876", "127.0.0.1:9876", "http://127.0.0.1:9876/"])(
  "--admin %s is the same daemon",
  (admin) => {
    expect(adminUrl(admin)).toBe("http://127.0.0.1:9876");
  },
);

test("no daemon there: one clear message, a code of its own, the same for machines", async () => {
  const env = { DBUS_ADMIN: "127.0.0.1:1" };
  const { code, err } = await dbc("status", env);
  expect(code).toBe(5);
  expect(err).toBe(
    "dbc: no daemon answers at http://127.0.0.1:1 (ECONNREFUSED) [DAEMON_UNREACHABLE]\n" +
      "    start dbusd, or name its address with --admin\n",
  );
  const { out } = await dbc("status --json", env);
  expect(JSON.parse(out)).toMatchObject({ error: { code: "DAEMON_UNREACHABLE" } });
});

test("something else answers there: that is said", async () => {
  const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>") });
  try {
    const { code, err } = await dbc(`status --admin 127.0.0.1:${other.port}`);
    expect(code).toBe(5);
    expect(err).toContain("but it is not dbusd");
  } finally {
    await other.stop(true);
  }
});

test("without the token, or with a wrong one, the daemon's refusal is shown", async () => {
  for (const env of [{}, { DBUS_TOKEN: "wrong" }]) {
    const { code, err } = await dbc("status", env);
    expect(code).toBe(1);
    expect(err).toContain("[UNAUTHORIZED]");
  }
});

test("config check names what is wrong and needs no daemon", async () => {
  const file = join(folder, "c.yaml");
  writeFileSync(file, "inputs: []\n");
  const { code, out } = await dbc(`config check ${file}`, { DBUS_ADMIN: "127.0.0.1:1" });
  expect(code).toBe(2);
  expect(out).toContain(`${file}:1:9: error: inputs: no inputs`);
  expect(JSON.parse((await dbc(`config check ${file} --json`)).out)).toMatchObject({ ok: false });
});

test("config show prints what the daemon shows, secrets redacted", async () => {
  expect((await dbc("config show")).out).toContain('password: "[redacted]"');
});

test("every verb prints one JSON value with --json", async () => {
  const commands = ["status", "topology", "plugins", "supervisor", "checkpoint get", "pause shop"];
  for (const args of [
    ...commands,
    "deadletters list",
    "deadletters show 5",
    "gaps",
    "config show",
  ]) {
    const { code, out } = await dbc(`${args} --json`);
    expect(code).toBe(0);
    expect(() => JSON.parse(out)).not.toThrow();
  }
});
