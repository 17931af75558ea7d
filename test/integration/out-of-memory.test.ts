import { expect } from "bun:test";
import { copyFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import { requireConfig } from "#src/config/load.ts";
import { memoryBound } from "#src/config/memory-bound.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { useServices } from "../services/index.ts";
import { runDir } from "../services/run-dir.ts";
import { createTallies, lineHeads, type Tally } from "../soak/tally.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { holdsFor } from "../support/holds-for.ts";
import { memoryCage, residentBytes } from "../support/memory-cage.ts";
import { freshDatabase } from "../support/mysql-client.ts";
import { waitFor } from "../support/wait-for.ts";

const services = await useServices("mysql");
const mib = 2 ** 20;

async function fill(
  client: Awaited<ReturnType<typeof freshDatabase>>["client"],
  db: string,
  rows: number,
): Promise<void> {
  await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, pad TEXT)`);
  await client.query(`SET SESSION cte_max_recursion_depth = ${rows + 1}`);
  await client.query(`INSERT INTO ${db}.t WITH RECURSIVE n(id) AS
    (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ${rows})
    SELECT id, REPEAT(SHA2(id, 256), 8) FROM n`);
}

function inputOf(port: number, db: string) {
  const server = { host: "127.0.0.1", port, user: "root", password: "" };
  return { name: "in", plugin: "MysqlbinlogInput", ...server, databases: [db] };
}

services.test(
  "fault 77: killed for its memory again and again, it loses no row",
  async ({ mysql }) => {
    const rows = 20_000;
    const { client, db } = await freshDatabase(mysql);
    await fill(client, db, rows);
    client.close();
    const dir = await runDir("out-of-memory");
    const file = join(dir, "rows.ndjson");
    copyFileSync(join(import.meta.dir, "../fixtures/leaking-filter.ts"), join(dir, "leak.ts"));
    const config = {
      state: { dir: join(dir, "state") },
      bus: { checkpointIntervalMs: 50 },
      inputs: [inputOf(mysql.port, db)],
      filters: [{ name: "leak", plugin: "./leak.ts", match: "in" }],
      outputs: [{ name: "out", plugin: "StreamOutput", match: "leak", file }],
    };
    const cage = memoryCage(400 * mib);
    try {
      for (let round = 1; round <= 3; round++) {
        const env = { DBUS_TEST_LEAK: "1" };
        const daemon = await startDaemonProcess({ config, dir, env, prefix: cage.prefix });
        cage.watch(daemon.pid);
        await waitFor(() => !daemon.running, { what: "the kernel to kill it", timeoutMs: 60_000 });
        expect(await daemon.exited).toBe(137);
      }
      const daemon = await startDaemonProcess({ config, dir, prefix: cage.prefix });
      cage.watch(daemon.pid);
      const tallies = createTallies();
      const push = lineHeads(tallies.take);
      const everything = async () => {
        push(Buffer.from(await Bun.file(file).bytes()));
        return tallies.of("t", "I").distinct === rows;
      };
      await waitFor(everything, { what: "every row", timeoutMs: 60_000, intervalMs: 500 });
      expect(await daemon.stop()).toBe(0);
    } finally {
      await cage.remove();
    }
  },
  240_000,
);

/** A peer that accepts and reads nothing until it is told to. */
async function sleepingPeer() {
  const sockets: Socket[] = [];
  const tallies = createTallies();
  let awake = false;
  const server = createServer((socket) => {
    sockets.push(socket);
    const push = lineHeads(tallies.take);
    socket.on("data", push);
    socket.on("error", () => {});
    if (!awake) socket.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    tally: (): Tally => tallies.of("t", "I"),
    wake() {
      awake = true;
      for (const socket of sockets) socket.resume();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

services.test(
  "with its bound it is never killed: an output that takes nothing, at twice the bound (fault 77)",
  async ({ mysql }) => {
    const rows = 150_000;
    const { client, db } = await freshDatabase(mysql);
    await fill(client, db, rows);
    client.close();
    const dir = await runDir("blocked");
    const peer = await sleepingPeer();
    const timeoutMs = 600_000;
    const connect = { host: "127.0.0.1", port: peer.port, timeoutMs };
    const config = {
      state: { dir: join(dir, "state") },
      inputs: [{ ...inputOf(mysql.port, db), eventBytesMax: mib }],
      outputs: [{ name: "out", plugin: "StreamOutput", match: "in", connect }],
    };
    let cage: ReturnType<typeof memoryCage> | undefined;
    let daemon: DaemonProcess | undefined;
    try {
      const bound = await boundOf(config);
      cage = memoryCage(2 * bound);
      daemon = await startDaemonProcess({ config, dir, prefix: cage.prefix });
      const { pid } = daemon;
      cage.watch(pid);
      await daemon.ready();
      const full = async () => (await statOf(daemon)).inputs[0]?.inFlight === 8192;
      await waitFor(full, { what: "a full window", timeoutMs: 30_000 });
      await holdsFor(() => residentBytes(pid) < bound, {
        ms: 3_000,
        what: "memory below the bound",
      });
      expect(daemon.running).toBe(true);
      peer.wake();
      const whole = () => peer.tally().distinct === rows;
      await waitFor(whole, { what: "every row", timeoutMs: 60_000, intervalMs: 100 });
      expect(residentBytes(pid)).toBeLessThan(bound);
      expect(await daemon.stop()).toBe(0);
    } finally {
      peer.close();
      daemon?.kill("SIGKILL");
      await daemon?.exited;
      await cage?.remove();
    }
  },
  180_000,
);

type Stat = {
  readonly inputs: readonly { readonly inFlight: number }[];
};

async function statOf(daemon: DaemonProcess | undefined): Promise<Stat> {
  return (await fetch(`${daemon?.adminUrl}/api/v1/stat`)).json() as Promise<Stat>;
}

async function boundOf(config: Record<string, unknown>): Promise<number> {
  const registry = createRegistry(builtins);
  const text = JSON.stringify(config);
  return memoryBound(await requireConfig("dbus.yaml", { registry, text })).bytes;
}
