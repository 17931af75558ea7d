import { expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runDbc } from "#src/cli/dbc.ts";
import { systemClock } from "#src/clock.ts";
import { documentBytesMax, pushConfig } from "#src/cluster/config-store.ts";
import { openCluster } from "#src/cluster/operate/open-cluster.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { drawCanaries } from "../../support/canary.ts";
import { adminOf, type Command, dbusdCommand, startCommand } from "../../support/command.ts";
import { waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * dbusd without a file: the configuration is in ZooKeeper, and the secrets are with each of them.
 */
const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 200 }));

const text = (inputs: string) => `inputs:
${inputs}
outputs:
  - {name: out, plugin: MockOutput, match: "*"}
admin: {port: "\${ADMIN_PORT}"}
state: {dir: "\${STATE_DIR}"}
cluster:
  connect: zk
  id: \${NODE}
  auth: \${DBUS_CLUSTER_AUTH}
  sessionTimeoutMs: 3000
  rpc: {listen: "127.0.0.1:0"}
`;
const input = (name: string) => `  - {name: ${name}, plugin: MockInput, payload: rows, rate: 10}`;

services.test(
  "S4: two dbusd without a file take what is pushed, refuse what is wrong, and no secret is in ZooKeeper",
  async ({ connect }) => {
    const canaries = drawCanaries();
    const auth = `dbus:${canaries.draw("the password of ZooKeeper")}`;
    const dir = tempDir("shared-config");
    const servers = `${connect}/dbus`;
    const env = { DBUS_CLUSTER_AUTH: auth, DBUS_CLUSTER_NAME: "shop" };
    let admin = "";

    async function dbc(args: string) {
      let out = "";
      let err = "";
      const code = await runDbc(args.split(" "), {
        out: (words) => {
          out += words;
        },
        err: (words) => {
          err += words;
        },
        env: { ...env, ADMIN_PORT: "0", STATE_DIR: dir, NODE: "x", DBUS_ADMIN: admin },
        terminal: false,
        signal: new AbortController().signal,
      });
      canaries.in(`dbc ${args}`, out + err);
      return { code, out, err };
    }
    function file(name: string, content: string): string {
      const path = join(dir, name);
      writeFileSync(path, content);
      return path;
    }
    const started: Command[] = [];
    function start(node: string): Command {
      mkdirSync(join(dir, node));
      const own = { NODE: node, STATE_DIR: join(dir, node), ADMIN_PORT: "0" };
      const argv = [...dbusdCommand, "--cluster", servers];
      const command = startCommand(argv, { cwd: dir, env: { ...env, ...own } });
      started.push(command);
      return command;
    }

    // The first one comes before there is anything to run, and waits.
    const first = start("n1");
    await waitFor(
      () =>
        first.err().includes("[CLUSTER_CONFIG_NONE]") || first.err().includes("it waits for one"),
      {
        what: "it to wait",
        timeoutMs: 20_000,
      },
    );
    const v1 = file("v1.yaml", text(input("orders")));
    const pushed = await dbc(`config push ${v1} --cluster ${servers}`);
    expect(pushed).toMatchObject({ code: 0, err: "" });
    expect(pushed.out).toStartWith("version 1 counts now; ");
    admin = await adminOf(first);
    const second = start("n2");
    await adminOf(second);

    const participants = async (): Promise<Readonly<Record<string, unknown>>[]> =>
      JSON.parse((await dbc("participants --json")).out);
    const taken = (n: number) =>
      waitFor(
        async () => (await participants()).filter((one) => one.configVersion === n).length === 2,
        {
          what: `both to run version ${n}`,
          timeoutMs: 20_000,
        },
      );
    await taken(1);

    const v2 = file("v2.yaml", text(`${input("orders")}\n${input("stock")}`));
    expect((await dbc(`config diff ${v2}`)).out).toContain("+  - {name: stock, ");
    expect((await dbc(`config push ${v2}`)).code).toBe(0);
    await taken(2);
    await waitFor(
      async () => {
        const all = JSON.parse((await dbc("resources --json")).out) as { state: string }[];
        return all.length === 2 && all.every(({ state }) => state === "running");
      },
      { what: "both inputs to be read", timeoutMs: 20_000 },
    );

    // What is wrong is refused where it is pushed, and by each of them when it comes another way.
    const wrong = file("wrong.yaml", text(input("orders").replace("rate: 10", "rate: soon")));
    const refused = await dbc(`config push ${wrong}`);
    expect([refused.code, refused.err.includes("inputs[0].rate")]).toEqual([2, true]);
    const around = { clock: systemClock, random: Math.random };
    const access = { connect: servers, name: "shop", auth, tls: false, sessionTimeoutMs: 10_000 };
    const session = await openCluster(access, around);
    try {
      const bad = text(input("orders").replace("MockInput", "NoSuchInput"));
      const { n } = await pushConfig(session, { text: bad, by: "by hand", at: 1 });
      expect(n).toBe(3);
      await waitFor(
        async () => (await participants()).filter((one) => one.configRefused).length === 2,
        {
          what: "both to refuse it",
          timeoutMs: 20_000,
        },
      );
      expect((await dbc("participants")).out).toContain("n2: refuses version 3: cluster:shop:2:28");
      expect((await participants()).map((one) => one.configVersion)).toEqual([2, 2]);
      expect((await dbc("config rollback")).out).toStartWith("version 4 counts now; ");
      await taken(4);
      expect((await participants()).map((one) => one.configRefused)).toEqual([null, null]);

      // As large as a node may be it is taken by a server with its own limits, and no larger.
      const filler = "x".repeat(documentBytesMax - 300);
      const large = { text: filler, by: "size", at: 1 };
      expect((await pushConfig(session, large)).n).toBe(5);
      const over = pushConfig(session, { ...large, text: `${filler}${filler}` });
      expect(await over.catch((thrown: unknown) => thrown)).toMatchObject({
        code: "CLUSTER_CONFIG_TOO_LARGE",
      });
      expect((await dbc("config rollback 2")).code).toBe(0);
      await taken(6);

      const everything: string[] = [];
      async function walk(path: string): Promise<void> {
        const { data } = await session.get(path);
        everything.push(`${path} ${Buffer.from(data).toString()}`);
        const { names } = await session.children(path);
        for (const name of names) await walk(`${path === "/" ? "" : path}/${name}`);
      }
      await walk("/");
      expect(everything.length).toBeGreaterThan(20);
      canaries.in("ZooKeeper", everything.join("\n"));
    } finally {
      await session.close();
    }
    for (const one of started) {
      one.kill("SIGTERM");
      expect(await one.ended()).toBe(0);
      canaries.in("the log", one.err() + one.out());
    }
    // Without the password nothing of it can be seen.
    const { DBUS_CLUSTER_AUTH: _, ...anonymous } = env;
    const stranger = startCommand([...dbusdCommand, "--cluster", servers, "--check"], {
      cwd: dir,
      env: { ...anonymous, DBUS_CLUSTER_AUTH: "" },
    });
    expect(await stranger.ended()).toBe(1);
    expect(stranger.err()).toContain("[ZOOKEEPER_DENIED]");
  },
  120_000,
);
