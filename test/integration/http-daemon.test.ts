import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import { freePort } from "../services/port.ts";
import { runDir } from "../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { seededRandom, testSeed, waitFor } from "../support/index.ts";

const mib = 1024 * 1024;
const json = { "content-type": "application/json" };
const running = new Set<DaemonProcess>();
afterAll(() => {
  for (const daemon of running) if (daemon.running) daemon.kill("SIGKILL");
});

/** A dbusd that takes JSON and writes it into a file; started again on the same folder and port. */
async function httpToFile() {
  const dir = await runDir("http-daemon");
  const port = await freePort();
  const config = {
    state: { dir: join(dir, "state") },
    inputs: [{ name: "posted", plugin: "HttpInput", port }],
    outputs: [{ name: "kept", plugin: "StreamOutput", match: "posted" }],
  };
  const path = join(dir, "state", "kept", "kept.ndjson");
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    async start(): Promise<DaemonProcess> {
      const daemon = await startDaemonProcess({ config, dir });
      running.add(daemon);
      await daemon.ready();
      return daemon;
    },
    /** Whole lines only: one that was torn by a kill is no line yet. */
    lines: () =>
      existsSync(path)
        ? readFileSync(path, "utf8")
            .split("\n")
            .slice(0, -1)
            .map((line) => JSON.parse(line))
        : [],
  };
}

async function statOf({ adminUrl }: DaemonProcess): Promise<Stat> {
  return (await fetch(`${adminUrl}/api/v1/stat`)).json() as Promise<Stat>;
}

/** Posts until the other end is gone; answers the numbers for which 202 came. */
async function postUntilKilled(url: string, next: () => number): Promise<number[]> {
  const accepted: number[] = [];
  for (;;) {
    const n = next();
    try {
      const answer = await fetch(url, { method: "POST", headers: json, body: `{"n":${n}}` });
      if (answer.status === 202) accepted.push(n);
      await answer.arrayBuffer();
    } catch {
      return accepted;
    }
  }
}

describe("HttpInput under the real daemon", () => {
  test("what was answered 202 is there, whenever the process is killed (S17)", async () => {
    const random = seededRandom(testSeed("http kill"));
    const bus = await httpToFile();
    const accepted: number[] = [];
    let n = 0;
    for (let round = 0; round < 4; round++) {
      const daemon = await bus.start();
      const before = bus.lines().length;
      const clients = Array.from({ length: 8 }, () => postUntilKilled(bus.url, () => n++));
      const goal = before + random.int(50, 400);
      await waitFor(() => bus.lines().length >= goal, { what: `${goal} lines`, intervalMs: 5 });
      daemon.kill("SIGKILL");
      accepted.push(...(await Promise.all(clients)).flat());
    }
    const daemon = await bus.start();
    expect(await daemon.stop()).toBe(0);
    const kept = new Set(bus.lines().map((line) => (line as { n: number }).n));
    expect(accepted.length).toBeGreaterThan(200);
    expect(accepted.filter((one) => !kept.has(one))).toEqual([]);
  }, 60_000);

  test("100 MB of JSON, declared, chunked, or in many parts, is refused or taken in its stride", async () => {
    const bus = await httpToFile();
    const daemon = await bus.start();
    const post = (body: string) => fetch(bus.url, { method: "POST", headers: json, body });
    expect((await post('{"first":true}')).status).toBe(202);
    const before = (await statOf(daemon)).rssBytes;

    const huge = `[${'{"pad":"0123456789"},'.repeat(5_000_000)}1]`;
    expect(huge.length).toBeGreaterThan(100_000_000);
    expect(await statusOfRaw(bus.port, [`Content-Length: ${huge.length}`], huge)).toBe(413);
    expect(await statusOfRaw(bus.port, ["Transfer-Encoding: chunked"], chunked(huge))).toBe(413);

    // And as much again in requests that are allowed, several at a time.
    const part = JSON.stringify({ pad: "x".repeat(4 * mib) });
    const statuses = new Map<number, number>();
    for (let round = 0; round < 5; round++) {
      for (const { status } of await Promise.all(Array.from({ length: 5 }, () => post(part)))) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
    const taken = statuses.get(202) ?? 0;
    expect(taken).toBeGreaterThanOrEqual(5);
    expect(taken + (statuses.get(429) ?? 0)).toBe(25);

    expect((await post('{"last":true}')).status).toBe(202);
    const grown = ((await statOf(daemon)).rssBytes - before) / mib;
    process.stderr.write(
      `[http] 300 MB posted, ${taken} of 25 taken, ${grown.toFixed(0)} MiB more\n`,
    );
    expect(grown).toBeLessThan(250);
    const lines = bus.lines() as Record<string, unknown>[];
    expect([lines.length, lines.at(-1)]).toEqual([taken + 2, { last: true }]);
    expect(await daemon.stop()).toBe(0);
  }, 120_000);
});

function chunked(body: string): string {
  const size = 8 * mib;
  let text = "";
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    text += `${part.length.toString(16)}\r\n${part}\r\n`;
  }
  return `${text}0\r\n\r\n`;
}

/** Sends as it is told, whatever is answered meanwhile, and answers the status. */
function statusOfRaw(port: number, headers: readonly string[], body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      const head = ["POST / HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"];
      socket.write(`${[...head, ...headers].join("\r\n")}\r\n\r\n`);
      socket.write(body);
    });
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
      if (status === undefined) return;
      socket.destroy();
      resolve(Number(status));
    });
    // A server that has answered may cut off what it does not want to read.
    socket.on("error", (error) => answer === "" && reject(error));
    socket.on("close", () => reject(new Error("closed without an answer")));
  });
}
