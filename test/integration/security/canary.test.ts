import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { routeTable } from "#src/api/app.ts";
import { runDbc, verbs } from "#src/cli/dbc.ts";
import { runDbusd } from "#src/cli/run-dbusd.ts";
import { useServices } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { type Canaries, drawCanaries } from "../../support/canary.ts";
import { makeAuthority } from "../../support/certificates.ts";
import { dbusdCommand, startCommand } from "../../support/command.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

const services = await useServices("mysql", "kafka");

/** Runs a command in this process, and looks at all that it says. */
async function run(
  canaries: Canaries,
  command: "dbc" | "dbusd",
  argv: readonly string[],
  env: Record<string, string>,
): Promise<void> {
  let said = "";
  const write = (text: string) => {
    said += text;
  };
  const io = { out: write, err: write, env, terminal: false };
  if (command === "dbc") await runDbc(argv, { ...io, signal: new AbortController().signal });
  else await runDbusd(argv, { ...io, log: write, dbc: "dbc" });
  expect(said).not.toBe("");
  canaries.in(`${command} ${argv.slice(0, 2).join(" ")}`, said);
}

const concrete = (path: string) =>
  path
    .replace("{input}", "db")
    .replace("{resource}", "x")
    .replace("{partition}", "0")
    .replace("{id}", "1");

services.test(
  "S4: no secret gets out of a daemon that works, fails, is asked, and is killed",
  async ({ mysql, kafka }) => {
    const canaries = drawCanaries();
    const dir = tempDir("canary");
    const { client, db } = await freshDatabase(mysql, "canary");
    await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, s TEXT)`);
    const right = canaries.draw("the password of MySQL");
    const user = `canary_${process.pid}`;
    await client.query(`CREATE USER ${user} IDENTIFIED BY '${right}'`);
    await client.query(`GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${user}`);
    const secret = {
      wrong: canaries.draw("a wrong password of MySQL"),
      dsn: canaries.draw("a password in a DSN"),
      sasl: canaries.draw("the password of Kafka"),
      http: canaries.draw("the token of the HTTP input"),
      admin: canaries.draw("the admin token"),
      reader: canaries.draw("a token in a file"),
      query: canaries.draw("a secret in the query of a URL"),
      env: canaries.draw("the environment of a command"),
    };
    const { cert, key } = await (await makeAuthority(tempDir("canary-ca"))).issue("canary");
    const keyBody = key.split("\n")[1] ?? "";
    // Where secrets come from lies beside what is looked at.
    const from = tempDir("canary-secrets");
    const file = (name: string, text: string) => {
      writeFileSync(join(from, name), text, { mode: 0o600 });
      return join(from, name);
    };
    const httpPort = await freePort();
    const config = {
      state: { dir: join(dir, "state") },
      admin: {
        port: await freePort(),
        token: "${ADMIN}",
        tokens: [{ name: "r", role: "read", tokenFile: file("reader", secret.reader) }],
      },
      inputs: [
        {
          ...{ name: "db", plugin: "MysqlbinlogInput", host: mysql.host, port: mysql.port, user },
          ...{ password: "${RIGHT}", tables: [`${db}.*`], start: "latest" },
        },
        {
          ...{
            name: "wrong",
            plugin: "MysqlbinlogInput",
            host: mysql.host,
            port: mysql.port,
            user,
          },
          password: `\${file:${file("wrong", secret.wrong)}}`,
        },
        { name: "away", plugin: "MysqlbinlogInput", dsn: "${DSN}" },
        {
          ...{ name: "posted", plugin: "HttpInput", port: httpPort, token: "${HTTP}" },
          tls: { cert, key: `\${file:${file("key", key)}}` },
        },
        {
          ...{ name: "told", plugin: "StreamInput", command: ["sh", "-c", "exit 3"] },
          env: { PASSWORD: secret.env },
        },
      ],
      outputs: [
        { name: "kept", plugin: "StreamOutput", match: "*" },
        {
          ...{ name: "kafka", plugin: "KafkaOutput", match: "*", brokers: [kafka.bootstrap] },
          sasl: { mechanism: "plain", username: "u", password: "${SASL}" },
        },
      ],
    };
    const dsn = `mysql://u:${encodeURIComponent(secret.dsn)}@127.0.0.1:1/x?tls=disable`;
    const env = {
      ...{ ADMIN: secret.admin, RIGHT: right, HTTP: secret.http, SASL: secret.sasl },
      DSN: dsn,
    };
    const path = join(from, "dbus.yaml");
    writeFileSync(path, JSON.stringify(config));
    const dbusd = startCommand([...dbusdCommand, path, "--log-level", "debug"], { cwd: dir, env });
    const url = `http://127.0.0.1:${config.admin.port}`;
    const auth = { authorization: `Bearer ${secret.admin}` };
    await waitFor(async () => (await fetch(`${url}/healthz`)).ok, {
      what: "the daemon",
      timeoutMs: 20_000,
    });
    const stat = async () => (await fetch(`${url}/api/v1/stat`, { headers: auth })).text();
    // Everything that is to fail has failed, and what is to work works.
    await waitFor(
      async () =>
        ["MYSQL_ACCESS_DENIED", "MYSQL_UNREACHABLE", "KAFKA_AUTH"].every((code) =>
          dbusd.err().includes(code),
        ),
      { what: "the failures", timeoutMs: 30_000 },
    ).catch(() => {
      throw new Error(`it did not fail as it should: ${dbusd.err()}`);
    });
    await waitFor(
      async () => {
        await client.query(`INSERT INTO ${db}.t SELECT COUNT(*), 'x' FROM ${db}.t`);
        return /"name":"db"[^}]*"packets":[1-9]/.test(await stat());
      },
      { what: "a row with the right password", timeoutMs: 30_000 },
    );

    // Each route, as it should be called and as it should not.
    for (const one of routeTable()) {
      for (const headers of [auth, { authorization: `Bearer ${secret.reader}` }, {}]) {
        for (const query of ["", `?token=${encodeURIComponent(secret.query)}`]) {
          const answer = await fetch(url + concrete(one.path) + query, {
            method: one.method.toUpperCase(),
            headers: { ...headers, "content-type": "application/json" },
            ...(one.method === "get" ? {} : { body: `{"x": "${secret.query.replace('"', "")}"}` }),
          });
          canaries.in(`${one.method} ${one.path}`, await answer.text());
          canaries.in(`its headers`, JSON.stringify([...answer.headers]));
        }
      }
    }
    const posted = await fetch(
      `https://127.0.0.1:${httpPort}/?t=${encodeURIComponent(secret.query)}`,
      {
        ...{ method: "POST", body: "1", headers: { authorization: `Bearer ${secret.wrong}` } },
        tls: { ca: cert, rejectUnauthorized: false },
      },
    );
    canaries.in("the HTTP input", await posted.text());

    // The commands, with the right token and with a wrong one.
    const usages = verbs.flatMap((verb) => verb.usage.map((usage) => usage.split(" ")));
    for (const words of usages) {
      const args = words.filter((word) => /^[a-z]+$/.test(word));
      for (const [token, more] of [
        [secret.admin, []],
        [secret.admin, ["--json"]],
        [secret.query, []],
      ] as const) {
        const dbcEnv = { DBUS_TOKEN: token, DBUS_ADMIN: url };
        await run(canaries, "dbc", [...args, ...more], dbcEnv);
      }
    }

    // What others on this machine see of the process, while it lives.
    canaries.in("its command line", readFileSync(`/proc/${dbusd.pid}/cmdline`));
    canaries.in("the title of its threads", readFileSync(`/proc/${dbusd.pid}/comm`));

    dbusd.kill("SIGABRT");
    await dbusd.ended();
    canaries.in("its output and log", dbusd.err() + dbusd.out());
    canaries.inFolder(dir);

    // What looks at configurations, right and wrong ones.
    const text = JSON.stringify(config).replaceAll(/\$\{(\w+)\}/g, (_, name) =>
      JSON.stringify(env[name as keyof typeof env]).slice(1, -1),
    );
    const wrongs = [
      text,
      text.replace('"password"', '"pasword"'),
      text.replace('"host"', '"hots"'),
      text.replaceAll('"token"', '"port"'),
      text.replace('"inputs"', '"imputs"'),
      `${text.slice(0, -1)}, "x": [}`,
      text.replaceAll('"password":', '"serverId":'),
      text.replaceAll('"dsn":', '"tlsCa": 7, "dsn":'),
    ];
    for (const [at, wrong] of wrongs.entries()) {
      const one = file(`wrong-${at}.yaml`, wrong);
      for (const action of ["--check", "--print-config"]) {
        await run(canaries, "dbusd", [one, action], env);
      }
      await run(canaries, "dbc", ["config", "check", one], env);
    }
    const urls = [
      "--from",
      dsn,
      "--to",
      `kafka://u:${encodeURIComponent(secret.sasl)}@127.0.0.1:1/x`,
    ];
    for (const action of ["--check", "--print-config"]) {
      await run(canaries, "dbusd", [...urls, action], {});
    }
    await client.query(`DROP USER ${user}`);
    expect(dbusd.err()).not.toContain(keyBody);

    process.stderr.write(
      `[canary] ${canaries.looked.texts} texts and files, ` +
        `${(canaries.looked.bytes / 1024).toFixed(0)} KiB looked at\n`,
    );
    expect(canaries.found).toEqual([]);
    expect(canaries.looked.texts).toBeGreaterThan(150);
  },
  120_000,
);
