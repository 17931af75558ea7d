import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import type { Checkpoint } from "#src/checkpoint/store.ts";
import { command } from "../../services/command.ts";
import { useServices } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../../support/daemon-process.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { testSeed, waitFor } from "../../support/index.ts";
import { readTopic } from "../../support/kafka-read.ts";

const services = await useServices("kafka");

const window = 2_000;
const count = 12_000;
const alarm = "a checkpoint is held up by one packet";

/** Input a feeds the output under test and a file, input b another file: 1 KB a packet. */
function configOf(dir: string, output: Readonly<Record<string, unknown>>) {
  const made = { plugin: "MockInput", count, size: 1_000, batch: 100 };
  const to = (name: string) => ({ plugin: "StreamOutput", file: join(dir, `${name}.ndjson`) });
  return {
    bus: {
      window: { packets: window },
      checkpointIntervalMs: 50,
      stopDeadlineMs: 500,
      stuckHeadMs: 400,
    },
    state: { dir: join(dir, "state") },
    inputs: [
      { name: "a", ...made },
      { name: "b", ...made },
    ],
    outputs: [
      { name: "blocked", match: "a", batch: { lingerMs: 0 }, ...output },
      { name: "beside", match: "a", ...to("beside") },
      { name: "other", match: "b", ...to("other") },
    ],
  };
}

const get = async (daemon: DaemonProcess, path: string) =>
  (await fetch(`${daemon.adminUrl}${path}`)).text();
const inputOf = async (daemon: DaemonProcess, name: string) => {
  const { inputs } = JSON.parse(await get(daemon, "/api/v1/stat")) as Stat;
  return inputs.find((one) => one.name === name)!;
};
const linesOf = (dir: string, name: string) => {
  const file = join(dir, `${name}.ndjson`);
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
};

/** Whatever blocks it: the others flow, and the stall is told everywhere, once. */
async function expectStall(dir: string, daemon: DaemonProcess): Promise<number> {
  await waitFor(() => linesOf(dir, "other") === count, { what: "all of b", timeoutMs: 30_000 });
  const stuck = () => inputOf(daemon, "a").then(({ stuck: [head] }) => head);
  const head = await waitFor(stuck, { what: "the stuck head in the status", timeoutMs: 20_000 });
  expect(head.at).toEqual(["router -> blocked"]);
  // Everything up to the window went on to the output beside it.
  const { packets, inFlight } = await inputOf(daemon, "a");
  expect(inFlight).toBe(window);
  await waitFor(() => linesOf(dir, "beside") === packets, { what: "the window beside it" });
  expect(packets).toBeLessThan(count);
  // The position of a packet is its number: what was settled before it is what is committed.
  const settled = Number(head.position) - 1;
  expect(packets).toBe(settled + window);
  const checkpoints = JSON.parse(await get(daemon, "/api/v1/checkpoints")) as Checkpoint[];
  expect(Number(checkpoints.find(({ input }) => input === "a")?.position ?? 0)).toBe(settled);
  const metrics = await get(daemon, "/metrics");
  const seconds = /^dbus_input_stuck_seconds\{input="a",resource="a"\} ([\d.]+)$/m.exec(metrics);
  expect(Number(seconds?.[1])).toBeGreaterThanOrEqual(0.4);
  expect(metrics).toContain('dbus_input_stuck_seconds{input="b",resource="b"} 0\n');
  await waitFor(async () => (await daemon.log()).includes(alarm), { what: "the alarm" });
  await waitFor(async () => ((await stuck())?.heldMs ?? 0) > 1_200, {
    what: "three times as long",
  });
  const lines = (await daemon.log()).split("\n").filter((line) => line.includes(alarm));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    {
      code: "HEAD_STUCK",
      input: "a",
      ticket: expect.any(Number),
      position: Number(head.position),
      at: ["router -> blocked"],
    },
  ]);
  return settled;
}

/** Stops it while it is blocked, and lets the next one, which is not, bring everything. */
async function goOn(
  { dir, config }: { readonly dir: string; readonly config: Readonly<Record<string, unknown>> },
  daemon: DaemonProcess,
  unblock: () => void,
): Promise<void> {
  expect(await daemon.stop()).toBe(0);
  expect(await daemon.log()).toContain("STOP_DEADLINE");
  unblock();
  const next = await startDaemonProcess({ dir, config });
  await waitFor(async () => (await inputOf(next, "a")).state === "finished", {
    what: "the end of a",
    timeoutMs: 30_000,
  });
  await waitFor(async () => (await inputOf(next, "a")).inFlight === 0, { what: "all settled" });
  expect((await inputOf(next, "a")).stuck).toEqual([]);
  expect(await next.stop()).toBe(0);
}

test("fault 93: a TCP peer that accepts and never reads stops only its own input", async () => {
  const dir = await runDir("blocked-tcp");
  const sockets: Socket[] = [];
  let received = "";
  let reading = false;
  const read = (socket: Socket) => {
    socket.on("data", (chunk) => {
      received += chunk;
    });
  };
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    if (reading) read(socket);
    else socket.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const connect = { host: "127.0.0.1", port, timeoutMs: 600_000 };
  const config = configOf(dir, { plugin: "StreamOutput", connect, batch: { countMax: 50 } });
  const daemon = await startDaemonProcess({ dir, config });
  try {
    // What the kernel had taken counts as written, as the page of the plugin says.
    const settled = await expectStall(dir, daemon);
    await goOn({ dir, config }, daemon, () => {
      reading = true;
    });
    const whole = () => received.split("\n").length - 1 >= count - settled;
    await waitFor(whole, { what: "the rest at the peer" });
  } finally {
    daemon.kill("SIGKILL");
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}, 60_000);

test("fault 93: a FIFO without a reader stops only its own input", async () => {
  const dir = await runDir("blocked-fifo");
  const fifo = join(dir, "fifo");
  await command(["mkfifo", fifo]);
  const config = configOf(dir, { plugin: "StreamOutput", file: fifo, batch: { countMax: 20 } });
  const daemon = await startDaemonProcess({ dir, config });
  try {
    const settled = await expectStall(dir, daemon);
    expect(settled).toBeLessThan(200);
    let lines: Promise<number> | undefined;
    await goOn({ dir, config }, daemon, () => {
      const counting = ["sh", "-c", 'exec timeout 50 wc -l <"$0"', fifo];
      lines = new Response(Bun.spawn(counting, { stdout: "pipe" }).stdout).text().then(Number);
    });
    expect(await lines).toBeGreaterThanOrEqual(count - settled);
  } finally {
    daemon.kill("SIGKILL");
  }
}, 60_000);

services.test(
  "fault 93: Kafka that has gone into a black hole stops only its own input",
  async ({ kafka: { bootstrap } }) => {
    const dir = await runDir("blocked-kafka");
    const port = Number(bootstrap.slice(bootstrap.lastIndexOf(":") + 1));
    const seed = testSeed("blocked kafka");
    const proxy = await faultProxy({ port }, { seed, protocol: "kafka" });
    const topic = `blocked-${crypto.randomUUID()}`;
    const brokers = [`127.0.0.1:${proxy.port}`];
    const output = { plugin: "KafkaOutput", brokers, topic };
    const config = configOf(dir, output);
    const wall = proxy.add({ type: "blackhole" });
    const daemon = await startDaemonProcess({ dir, config });
    try {
      expect(await expectStall(dir, daemon)).toBe(0);
      await goOn({ dir, config }, daemon, () => wall.remove());
      expect((await readTopic(bootstrap, topic)).length).toBeGreaterThanOrEqual(count);
    } finally {
      daemon.kill("SIGKILL");
      await proxy.close();
    }
  },
  90_000,
);
