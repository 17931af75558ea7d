import { expect, test } from "bun:test";
import { builtins } from "#plugins/index.ts";
import { configOf } from "#src/cli/from-to.ts";
import { loadConfig } from "#src/config/load.ts";
import { problemsText } from "#src/config/problem.ts";
import { createRegistry } from "#src/plugin/registry.ts";

const registry = createRegistry(builtins);

async function load(from: string, to: string, env: Record<string, string> = {}) {
  const made = configOf(from, to, env);
  const all = { ...env, ...made.env };
  const { config, problems } = await loadConfig("c", { registry, text: made.text, env: all });
  expect(problemsText(problems)).toBe("");
  return { made, config, input: config?.inputs[0], output: config?.outputs[0] };
}

test("mysql to kafka is a config that loads, and reads like one that a person wrote", async () => {
  const { made, input, output } = await load(
    "mysql://root:p%40ss@db.local:3307/shop",
    "kafka://k1:9092,k2/cdc",
  );
  expect(made.text).toBe(`# What --from and --to stand for; a file to go on with.
inputs:
  - name: mysql
    plugin: MysqlbinlogInput
    host: db.local
    port: 3307
    user: root
    password: \${DBUS_FROM_PASSWORD}
    databases:
      - shop
outputs:
  - name: kafka
    plugin: KafkaOutput
    brokers:
      - k1:9092
      - k2:9092
    topic: cdc.\${db}.\${tbl}
    match: "*"
`);
  expect(input?.config).toMatchObject({ password: "p@ss", databases: ["shop"] });
  expect(output?.config).toMatchObject({ topic: "cdc.${db}.${tbl}" });
});

test("a password never stands in the text that is printed, nor in what is shown", async () => {
  const { made, config } = await load(
    "mysql://u:canary-1@h/shop",
    "kafka://u:canary-2@k:9092/cdc?format=debezium",
  );
  expect(made.text).not.toContain("canary");
  expect(JSON.stringify(config?.shown)).not.toContain("canary");
  expect(made.env).toEqual({ DBUS_FROM_PASSWORD: "canary-1", DBUS_TO_PASSWORD: "canary-2" });
});

test("a password may come by the environment, so that it is on no command line", async () => {
  const env = { DBUS_FROM_PASSWORD: "pw" };
  const { input } = await load("mysql://u@h/shop", "-", env);
  expect(input?.config).toMatchObject({ password: "pw" });
  const { input: none } = await load("mysql://u@h/shop", "-");
  expect(none?.config).not.toHaveProperty("password", "");
});

test("mariadb, no database, fields of the plugin by query, an IPv6 host", async () => {
  const { input } = await load("mariadb://u@[::1]?serverId=77&onPositionLost=latest", "-");
  expect(input?.config).toMatchObject({
    flavor: "mariadb",
    host: "::1",
    port: 3306,
    serverId: 77,
    onPositionLost: "latest",
  });
});

test("kafka takes its fields by query, and a login", async () => {
  const { output } = await load("mysql://u@h/d", "kafka://me:pw@k:9092/x.${tbl}?tombstones=false");
  expect(output?.config).toMatchObject({
    topic: "x.${tbl}",
    tombstones: false,
    sasl: { mechanism: "scram-sha-256", username: "me", password: "pw" },
  });
});

test("what is no table goes to the topic itself", async () => {
  const { output, config } = await load("-", "kafka://k:9092/lines");
  expect(output?.config).toMatchObject({ topic: "lines" });
  expect(config?.bus.onFinished).toBe("exit");
});

test.each([
  ["-", "StreamInput"],
  ["lines.txt", "StreamInput"],
  ["/var/lib/mysql/binlog.000012", "BinlogFileInput"],
  ["http://127.0.0.1:8080", "HttpInput"],
  ["http://127.0.0.1:8080/events", "HttpInput"],
  ["mysql://u@h", "MysqlbinlogInput"],
])("from %s is %s", async (from, plugin) => {
  expect((await load(from, "-")).input?.plugin.name).toBe(plugin);
});

test.each([
  ["-", { stdout: true }],
  ["out.ndjson", { file: "out.ndjson" }],
  ["tcp://127.0.0.1:9000", { connect: { host: "127.0.0.1", port: 9000 } }],
])("to %s is a StreamOutput", async (to, config) => {
  const { output } = await load("mysql://u@h", to);
  expect(output?.plugin.name).toBe("StreamOutput");
  expect(output?.config).toMatchObject(config);
});

test.each([
  ["mysql://h/shop", "-", "it names no user"],
  ["mysql://u:canary/pw@h/shop", "-", "%2F for /"],
  ["mysql://u:100%@h/shop", "-", "itself it is %25"],
  ["postgres://u:canary@h/d", "-", "mysql://, mariadb://"],
  ["mysql://u@h", "redis://h", "kafka://, tcp://"],
  ["mysql://u@h", "kafka://", "it names no broker"],
  ["-", "kafka://k:9092", "it names no topic"],
])("%s to %s is refused without showing it", (from, to, remedy) => {
  expect(() => configOf(from, to, {})).toThrow(
    expect.objectContaining({ code: "USAGE", remedy: expect.stringContaining(remedy) }),
  );
  try {
    configOf(from, to, {});
  } catch (error) {
    expect(String(error)).not.toContain("canary");
  }
});
