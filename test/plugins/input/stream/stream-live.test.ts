import { afterEach, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { streamInput } from "#plugins/input/stream/stream-input.ts";
import { inputPluginContract, start } from "../../../contract/input-plugin.ts";
import {
  type FakeInput,
  type FakeInputOptions,
  fakeInputContext,
} from "../../../support/fake-context.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { waitFor } from "../../../support/wait-for.ts";

const dir = tempDir("stream-live");
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const texts = (bus: FakeInput) =>
  bus.packets.map(({ payload }) => {
    if (payload.kind === "text") return payload.text;
    return payload.kind === "bytes" ? `bytes:${Buffer.from(payload.value ?? [])}` : payload.kind;
  });
async function run(config: object, options: FakeInputOptions = {}) {
  const bus = fakeInputContext(options);
  const parsed = streamInput.configSchema.parse({
    pollMs: 2,
    backoff: { minMs: 5, maxMs: 20 },
    ...config,
  });
  const running = await start(streamInput, parsed, bus);
  stops.push(running.stop);
  return { bus, ...running };
}
const portOf = (bus: FakeInput) =>
  waitFor(() => Number(/:(\d+)$/.exec(bus.states.at(-1) ?? "")?.[1]), { what: "the port" });
async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  stops.push(() => socket.destroy());
  return socket;
}
const has = (bus: FakeInput, count: number) =>
  waitFor(() => bus.packets.length >= count, { what: `${count} packets` });

const sh = (script: string) => ["sh", "-c", script];

describe("contract of a command", () =>
  inputPluginContract(streamInput, {
    config: () => ({ command: sh("echo a; echo b; exec sleep 60") }),
  }));
describe("contract of a TCP listener", () =>
  inputPluginContract(streamInput, {
    config: () => ({ listen: { port: 0 } }),
    feed: async (bus) => void (await dial(await portOf(bus))).write("a\nb\nc\n"),
  }));

test("the output of a command is read to its end", async () => {
  const { bus, ended } = await run({ command: sh("echo one; echo two >&2; printf three") });
  expect(await ended).toBeUndefined();
  expect(texts(bus)).toEqual(["one", "three"]);
});

test("arguments reach the command as they are: there is no shell", async () => {
  const { bus, ended } = await run({
    command: ["printf", "%s\n", "$(id) `id` ; id > /dev/null *"],
  });
  await ended;
  expect(texts(bus)).toEqual(["$(id) `id` ; id > /dev/null *"]);
});

test("the environment of the daemon, secrets and all, stays with the daemon", async () => {
  process.env.DBUS_TEST_CANARY = "canary";
  const { bus, ended } = await run({ command: ["env"], env: { MINE: "1" } });
  await ended;
  delete process.env.DBUS_TEST_CANARY;
  expect(texts(bus)).toContain("MINE=1");
  expect(texts(bus).join()).not.toContain("canary");
});

test("a command that fails is started again, its torn line is told apart from a whole one", async () => {
  const { bus } = await run({ command: sh("echo one; printf half; exit 3") });
  await has(bus, 4);
  expect(texts(bus).slice(0, 4)).toEqual(["one", "bytes:half", "one", "bytes:half"]);
  expect(bus.packets[1]?.payload).toMatchObject({ headers: [["dbus-error", "STREAM_LINE_TORN"]] });
  expect(bus.states.some((state) => state?.includes("ended with 3"))).toBe(true);
});

test("restart says whether it is started again", async () => {
  const { bus } = await run({ command: sh("echo one"), restart: "always" });
  await has(bus, 3);
  const never = await run({ command: sh("exit 3"), restart: "never" });
  expect(await never.ended).toMatchObject({ code: "STREAM_COMMAND", kind: "retry" });
});

test("a command that is not there is tried again, and says so", async () => {
  const { bus } = await run({ command: ["no-such-program-here"] });
  await waitFor(() => bus.states.some((state) => state?.includes("cannot be started")), {
    what: "it to say so",
  });
});

test("a stop ends a command, one that does not listen too, and leaves no process", async () => {
  const { bus, stop } = await run({
    command: sh("trap '' TERM; echo $$; while :; do sleep 1; done"),
  });
  await has(bus, 1);
  const pid = Number(texts(bus)[0]);
  await stop();
  expect(() => process.kill(pid, 0)).toThrow();
});

test("a named pipe is read from one writer after another", async () => {
  const path = join(dir, "pipe");
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  const { bus, stop } = await run({ pipe: path });
  for (const text of ["one\ntwo\nha", "lf\n", "three"]) {
    const fd = openSync(path, "w");
    writeSync(fd, text);
    const before = bus.packets.length;
    closeSync(fd);
    await has(bus, before + 1);
  }
  await has(bus, 5);
  expect(texts(bus)).toEqual(["one", "two", "ha", "lf", "three"]);
  await stop();
  await expect((await run({ pipe: dir })).ended).resolves.toMatchObject({
    code: "STREAM_UNREADABLE",
  });
});

test("peers keep their own lines apart, however they are cut up", async () => {
  const { bus } = await run({ listen: { port: 0 } });
  const port = await portOf(bus);
  const [one, other] = [await dial(port), await dial(port)];
  for (const char of "abc\n") {
    one.write(char);
    other.write(char.toUpperCase());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await has(bus, 2);
  expect(texts(bus).sort()).toEqual(["ABC", "abc"]);
  one.end("last without its end");
  await has(bus, 3);
  expect(texts(bus)[2]).toBe("last without its end");
});

test("a peer that breaks off in the middle of a line leaves no half line that looks whole", async () => {
  const { bus } = await run({ listen: { port: 0 } });
  const socket = await dial(await portOf(bus));
  socket.write("whole\nhal");
  await has(bus, 1);
  socket.resetAndDestroy();
  await has(bus, 2);
  expect(texts(bus)).toEqual(["whole", "bytes:hal"]);
});

test("more peers than allowed are turned away, the others go on", async () => {
  const { bus } = await run({ listen: { port: 0, connectionsMax: 1 } });
  const port = await portOf(bus);
  const first = await dial(port);
  first.write("one\n");
  await has(bus, 1);
  const second = await dial(port);
  await new Promise((resolve) => second.once("close", resolve));
  first.write("two\n");
  await has(bus, 2);
});

test("a port that is taken is an error to try again", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => server.close());
  const { port } = server.address() as { port: number };
  const { ended } = await run({ listen: { port } });
  expect(await ended).toMatchObject({ code: "STREAM_LISTEN", kind: "retry" });
});

test("a peer that sends without end is held back by the bus, not kept in memory", async () => {
  const { bus } = await run({ listen: { port: 0 } }, { credit: 10 });
  const socket = await dial(await portOf(bus));
  const chunk = Buffer.from(`${"x".repeat(1023)}\n`.repeat(1024));
  const flood = () => {
    while (!socket.destroyed && socket.write(chunk)) {}
  };
  socket.on("drain", flood);
  flood();
  await has(bus, 10);
  const before = process.memoryUsage.rss();
  let last = -1;
  await waitFor(
    () => {
      const stuck = socket.bytesWritten - socket.writableLength === last;
      last = socket.bytesWritten - socket.writableLength;
      return stuck;
    },
    { what: "the sender to be stuck", intervalMs: 200 },
  );
  expect(bus.packets.length).toBeLessThan(2048);
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
});

test("a peer that goes away is connected to again", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.end(`line ${sockets.length}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => server.close());
  const { port } = server.address() as { port: number };
  const { bus } = await run({ connect: { host: "127.0.0.1", port } });
  await has(bus, 3);
  expect(texts(bus).slice(0, 3)).toEqual(["line 1", "line 2", "line 3"]);
  expect(bus.packets[2]?.position).toEqual({ lines: 3 });
});

test("standard input is read to its end, larger than any buffer and without a loss", async () => {
  const script = `
    import { streamInput } from "#plugins/input/stream/stream-input.ts";
    import { fakeInputContext } from "./test/support/fake-context.ts";
    const bus = fakeInputContext();
    let lines = 0;
    const context = { ...bus.context, emitBatch(batch) {
      for (const { payload } of batch) if (Number(payload.text) !== ++lines) throw new Error("order");
      return lines % 7 === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined;
    } };
    await streamInput.run(streamInput.configSchema.parse({ stdin: true }), context);
    process.stdout.write(String(lines));`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  for (let n = 1; n <= 300_000; n++) text += `${n}\n`;
  child.stdin.end(text);
  let answer = "";
  for await (const chunk of child.stdout) answer += chunk;
  expect(answer).toBe("300000");
});

test("a pipe keeps pace with a busy writer, however seldom an idle one is looked at", async () => {
  const path = join(dir, "busy");
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  const { bus } = await run({ pipe: path, pollMs: 60_000 });
  const script = `seq 1 200000 > '${path}'`;
  const child = spawn("sh", ["-c", script], { stdio: "ignore" });
  stops.push(() => child.kill("SIGKILL"));
  await has(bus, 200_000);
  expect(texts(bus).every((text, n) => text === String(n + 1))).toBe(true);
});
