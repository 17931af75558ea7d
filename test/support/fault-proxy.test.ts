import { describe, expect, test } from "bun:test";
import { type Around, type End, withProxy } from "./fault-proxy/ends.ts";
import type { Direction, Toxic } from "./fault-proxy.ts";
import { holdsFor, seededRandom, waitFor } from "./index.ts";

const bytesOf = (length: number, seed = 1) => Buffer.from(seededRandom(seed).bytes(length));

/** Registers a test once for each direction, with the end that sends and the one that receives. */
function bothWays(
  name: string,
  run: (
    around: Around & { readonly from: End; readonly to: End; readonly direction: Direction },
  ) => Promise<void>,
  before: Toxic[] = [],
): void {
  for (const direction of ["upstream", "downstream"] as const) {
    test(`${name}, ${direction}`, () =>
      withProxy(async (around) => {
        for (const toxic of before) around.proxy.add(toxic, { direction });
        const { client, server } = await around.pair();
        const [from, to] = direction === "upstream" ? [client, server] : [server, client];
        await run({ ...around, from, to, direction });
      }));
  }
}

describe("without toxics", () => {
  bothWays("bytes, their end and its count arrive as they were sent", async (around) => {
    const { from, to, proxy, direction } = around;
    const sent = bytesOf(3_000_000);
    from.socket.end(sent);
    await to.becomes("fin");
    expect(to.received.equals(sent)).toBe(true);
    to.socket.end("bye");
    await from.receives(3);
    await waitFor(() => proxy.stats().open === 0, { what: "the connection to be forgotten" });
    const other = direction === "upstream" ? "downstream" : "upstream";
    expect(proxy.stats()).toMatchObject({ accepted: 1, [direction]: 3_000_000, [other]: 3 });
  });

  bothWays("a reset of one side is a reset of the other", async ({ from, to }) => {
    from.socket.resetAndDestroy();
    await to.becomes("reset");
  });

  bothWays(
    "a receiver that does not read slows the sender",
    async ({ from, to, direction, proxy }) => {
      to.socket.pause();
      from.socket.write(Buffer.alloc(32 << 20));
      let before = -1;
      const still = () => {
        const now = proxy.stats()[direction];
        const same = now === before;
        before = now;
        return same;
      };
      await waitFor(still, { what: "the flow to stop", intervalMs: 50 });
      expect(before).toBeLessThan(24 << 20);
      to.socket.resume();
      await to.receives(32 << 20);
    },
  );

  test("a client of a server that is gone is reset, and the next one finds the new server", () =>
    withProxy(async ({ proxy, client, pair }) => {
      const off = proxy.add({ type: "refuse" });
      await client().becomes("reset");
      off.remove();
      const { client: next, server } = await pair();
      next.socket.write("x");
      await server.receives(1);
      expect([proxy.stats().accepted, off.acted]).toEqual([2, 1]);
    }));
});

describe("toxics of time", () => {
  for (const toxic of [
    { type: "latency", ms: 60 },
    { type: "jitter", ms: 60 },
  ] as const) {
    bothWays(`${toxic.type} delays and keeps the order`, async ({ proxy, direction, from, to }) => {
      const one = proxy.add(toxic, { direction });
      const began = performance.now();
      for (let n = 0; n < 50; n++) from.socket.write(Buffer.of(n));
      expect([...(await to.receives(50))]).toEqual([...Array(50).keys()]);
      const took = performance.now() - began;
      // Delays run side by side: fifty chunks do not take fifty times as long as one.
      expect(took).toBeLessThan(50 * 60);
      if (toxic.type === "latency") expect(took).toBeGreaterThanOrEqual(60);
      one.remove();
      from.socket.write("!");
      await to.receives(51);
    });
  }

  bothWays("what latency holds back goes on when it is removed", async (around) => {
    const one = around.proxy.add({ type: "latency", ms: 3_600_000 });
    around.from.socket.write("held");
    await holdsFor(() => around.to.received.length === 0, { ms: 30, what: "nothing arrives" });
    one.remove();
    await around.to.receives(4);
  });

  bothWays("rate lets so many bytes a second through", async ({ proxy, direction, from, to }) => {
    proxy.add({ type: "rate", bytesPerSecond: 100_000 }, { direction });
    const began = performance.now();
    from.socket.write(bytesOf(10_000));
    expect((await to.receives(10_000)).equals(bytesOf(10_000))).toBe(true);
    expect(performance.now() - began).toBeGreaterThanOrEqual(99);
  });

  bothWays("slow_close delays the end, not the bytes", async ({ proxy, direction, from, to }) => {
    proxy.add({ type: "slow_close", ms: 200 }, { direction });
    const began = performance.now();
    from.socket.end("last");
    await to.receives(4);
    expect(to.state).toBe("open");
    await to.becomes("fin");
    expect(performance.now() - began).toBeGreaterThanOrEqual(200);
  });
});

describe("toxics that end connections", () => {
  for (const bytes of [0, 1, 5, 4_096]) {
    bothWays(`reset after ${bytes} bytes`, async ({ proxy, direction, from, to }) => {
      const one = proxy.add({ type: "reset", afterBytes: bytes }, { direction });
      from.socket.write(bytesOf(5_000));
      await Promise.all([to.becomes("reset"), from.becomes("reset")]);
      expect(to.received.equals(bytesOf(5_000).subarray(0, bytes))).toBe(true);
      expect(one.acted).toBe(1);
    });

    bothWays(`truncate after ${bytes} bytes`, async ({ proxy, direction, from, to }) => {
      const one = proxy.add({ type: "truncate", afterBytes: bytes }, { direction });
      from.socket.write(bytesOf(5_000));
      await to.becomes("fin");
      expect(to.received.equals(bytesOf(5_000).subarray(0, bytes))).toBe(true);
      expect(one.acted).toBe(1);
    });
  }

  bothWays("bytes are counted from when the toxic is added, in each connection", async (around) => {
    const { proxy, direction, from, to, pair } = around;
    from.socket.write("before");
    await to.receives(6);
    proxy.add({ type: "truncate", afterBytes: 3 }, { direction });
    from.socket.write("after");
    await to.becomes("fin");
    expect(to.received.toString()).toBe("beforeaft");
    const next = await pair();
    const [nextFrom, nextTo] =
      direction === "upstream" ? [next.client, next.server] : [next.server, next.client];
    nextFrom.socket.write("other");
    await nextTo.becomes("fin");
    expect(nextTo.received.toString()).toBe("oth");
  });

  test("one connection alone can be hit, also one that is yet to come", () =>
    withProxy(async ({ proxy, pair }) => {
      proxy.add({ type: "reset", afterBytes: 0 }, { connection: 2 });
      const one = await pair();
      const two = await pair();
      const three = await pair();
      for (const { client } of [one, two, three]) client.socket.write("hello");
      await two.client.becomes("reset");
      await one.server.receives(5);
      await three.server.receives(5);
      await waitFor(() => proxy.stats().open === 2, { what: "the other two alone" });
    }));

  test("cut ends every connection, by RST or properly, and new ones are accepted", () =>
    withProxy(async ({ proxy, pair }) => {
      const pairs = [await pair(), await pair()];
      proxy.cut();
      for (const { client, server } of pairs) {
        await Promise.all([client.becomes("reset"), server.becomes("reset")]);
      }
      const { client, server } = await pair();
      proxy.cut("close");
      await Promise.all([client.becomes("fin"), server.becomes("fin")]);
      await pair();
      await waitFor(() => proxy.stats().open === 1, { what: "the last connection alone" });
    }));

  test("a peer that never reads holds up neither a proper cut nor the close of the proxy", () =>
    withProxy(async ({ proxy, pair }) => {
      const { client, server } = await pair();
      client.socket.pause();
      server.socket.write(Buffer.alloc(32 << 20));
      await waitFor(() => proxy.stats().downstream > 1 << 20, { what: "bytes on their way" });
      proxy.cut("close");
      await proxy.close();
      expect(proxy.stats().open).toBe(0);
    }));

  test("timeout lets nothing through, and closes after its time", () =>
    withProxy(async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const began = performance.now();
      const one = proxy.add({ type: "timeout", ms: 60 });
      client.socket.write("lost");
      await client.becomes("fin");
      expect(performance.now() - began).toBeGreaterThanOrEqual(59);
      expect([server.received.length, one.acted]).toEqual([0, 1]);
    }));

  for (const left of ["client", "server"] as const) {
    test(`half_open: the ${left} is left and hears nothing`, () =>
      withProxy(async ({ proxy, pair }) => {
        const both = await pair();
        const [stays, goes] =
          left === "client" ? [both.client, both.server] : [both.server, both.client];
        const one = proxy.add({ type: "half_open", left });
        await goes.becomes("fin");
        for (let n = 0; n < 5; n++) stays.socket.write(bytesOf(10_000));
        const unaware = () => stays.state === "open" && stays.received.length === 0;
        await holdsFor(unaware, { ms: 50, what: "an end that knows of nothing" });
        expect(goes.received.length).toBe(0);
        one.remove();
        await stays.becomes("reset");
      }));
  }
});

describe("blackhole", () => {
  bothWays("nothing gets through, not even the end; all of it does later", async (around) => {
    const { proxy, direction, from, to } = around;
    const one = proxy.add({ type: "blackhole" }, { direction });
    from.socket.end("held back");
    const silent = () => to.received.length === 0 && to.state === "open";
    await holdsFor(silent, { ms: 50, what: "silence" });
    to.socket.write("the other way is open");
    await from.receives(21);
    one.remove();
    await to.becomes("fin");
    expect(to.received.toString()).toBe("held back");
  });

  test("takes new connections and answers them with nothing", () =>
    withProxy(async ({ proxy, client, servers }) => {
      const one = proxy.add({ type: "blackhole" });
      const end = client();
      end.socket.write("anybody?");
      await waitFor(() => servers.length === 1, { what: "the connection" });
      servers[0]!.socket.write("welcome");
      const silent = () => end.received.length === 0 && end.state === "open";
      await holdsFor(silent, { ms: 50, what: "silence" });
      expect(proxy.stats()).toMatchObject({ upstream: 0, downstream: 0, open: 1 });
      one.remove();
      await end.receives(7);
    }));
});

describe("toxics of bytes", () => {
  bothWays("slicer: every byte is read alone", async ({ proxy, direction, from, to }) => {
    proxy.add({ type: "slicer", bytes: 1 }, { direction });
    from.socket.write(bytesOf(2_000));
    expect((await to.receives(2_000)).equals(bytesOf(2_000))).toBe(true);
    // Reads of two bytes would be TCP's right, but then the toxic would be worth little.
    expect(to.reads.filter((size) => size === 1).length).toBeGreaterThan(1_900);
  });

  bothWays("corrupt_byte changes that byte alone", async ({ proxy, direction, from, to }) => {
    const one = proxy.add({ type: "corrupt_byte", afterBytes: 1_234 }, { direction });
    const sent = bytesOf(5_000);
    for (let at = 0; at < 5_000; at += 100) from.socket.write(sent.subarray(at, at + 100));
    const received = await to.receives(5_000);
    const changed = [...sent.keys()].filter((at) => sent[at] !== received[at]);
    expect([changed, one.acted]).toEqual([[1_234], 1]);
  });

  test("the same seed corrupts the same bytes, however TCP cuts them; another seed others", async () => {
    const sent = bytesOf(20_000);
    const corrupted = async (seed: number, chunk: number) => {
      let received: Buffer = Buffer.alloc(0);
      await withProxy(
        async ({ proxy, pair }) => {
          proxy.add({ type: "corrupt_byte", afterBytes: 10, everyBytes: 200 });
          const { client, server } = await pair();
          for (let at = 0; at < sent.length; at += chunk) {
            client.socket.write(sent.subarray(at, at + chunk));
          }
          received = await server.receives(sent.length);
        },
        { seed },
      );
      return received;
    };
    const [one, two, other] = [
      await corrupted(7, 20_000),
      await corrupted(7, 333),
      await corrupted(8, 333),
    ];
    expect(one.equals(two!)).toBe(true);
    expect(one.equals(other!)).toBe(false);
    const changed = [...one.keys()].filter((at) => one[at] !== sent[at]).length;
    expect(changed).toBeGreaterThan(50);
    expect(changed).toBeLessThan(200);
  });

  bothWays("toxics work together, in the order in which they were added", async (around) => {
    const { proxy, direction, from, to } = around;
    proxy.add({ type: "latency", ms: 20 }, { direction });
    proxy.add({ type: "jitter", ms: 20 }, { direction });
    proxy.add({ type: "slicer", bytes: 3 }, { direction });
    proxy.add({ type: "rate", bytesPerSecond: 50_000 }, { direction });
    proxy.add({ type: "truncate", afterBytes: 999 }, { direction });
    const began = performance.now();
    from.socket.write(bytesOf(2_000));
    await to.becomes("fin");
    expect(to.received.equals(bytesOf(2_000).subarray(0, 999))).toBe(true);
    expect(performance.now() - began).toBeGreaterThanOrEqual(20 + 19);
  });

  test("heal removes all toxics at once, and what they held goes on", () =>
    withProxy(async ({ proxy, pair }) => {
      const { client, server } = await pair();
      proxy.add({ type: "latency", ms: 3_600_000 });
      proxy.add({ type: "rate", bytesPerSecond: 1 });
      proxy.add({ type: "blackhole" });
      client.socket.write(bytesOf(10_000));
      await holdsFor(() => server.received.length === 0, { ms: 30, what: "silence" });
      proxy.heal();
      expect((await server.receives(10_000)).equals(bytesOf(10_000))).toBe(true);
    }));
});

test("a process that closes its proxy has no socket and no timer left to keep it alive", async () => {
  const script = `
    const { faultProxy } = await import("./fault-proxy.ts");
    const { connect, createServer } = await import("node:net");
    const server = createServer((socket) => socket.on("error", () => {}).write("hello"));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = await faultProxy(server.address(), { seed: 1 });
    for (const toxic of [
      { type: "latency", ms: 3_600_000 }, { type: "rate", bytesPerSecond: 1 },
      { type: "timeout", ms: 3_600_000 }, { type: "half_open", left: "client" },
    ]) proxy.add(toxic, { connection: 1 });
    proxy.add({ type: "rate", bytesPerSecond: 1 }, { connection: 2 });
    for (let n = 0; n < 3; n++) {
      connect(proxy.port, "127.0.0.1").on("error", () => {}).write("x".repeat(1000));
    }
    while (proxy.stats().accepted < 3) await Bun.sleep(1);
    await proxy.close();
    server.close();
    process.stdout.write(JSON.stringify(proxy.stats()));
  `;
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: import.meta.dir,
    stdout: "pipe",
  });
  const output = await new Response(child.stdout).text();
  expect([JSON.parse(output).open, await child.exited]).toEqual([0, 0]);
});
