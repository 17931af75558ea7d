import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "#src/config/load.ts";
import { waitFor } from "./support/index.ts";
import { registry, type SampleDaemon, startSample } from "./support/sample-daemon.ts";

const folder = join(import.meta.dir, "../etc");
const scratch = mkdtempSync(join(tmpdir(), "dbus-etc-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const samples = readdirSync(folder).filter(
  (name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"),
);
/** The repository's folder: paths in samples start there. */
const inRepo = (name: string) => join("etc", name);

/** What the samples that need servers are given; no server is there. */
const env = { MYSQL_PASSWORD: "a", MARIADB_PASSWORD: "b" };

/** What must come true on the real daemon, sample by sample. */
const runs: Readonly<Record<string, (sample: SampleDaemon) => Promise<void>>> = {
  "quickstart.yaml": async (sample) => {
    await finished(sample, "shop");
    for (const table of ["customers", "orders", "payments"]) {
      expect(await tablesOf(sample, table)).toEqual([table]);
    }
  },
  "mock.yaml": async (sample) => {
    await came(sample, "sink", 1000);
    const [sieve] = sample.daemon.admin.stat().filters;
    expect(sieve?.dropped).toBeGreaterThan(30);
    expect(sieve?.failed).toBe(sample.daemon.admin.stat().deadLetters);
  },
  "fanout.yaml": async (sample) => {
    for (const name of ["fast", "slow", "flaky", "archive"]) await came(sample, name, 2000);
    expect((await sample.lines("archive")).length).toBeGreaterThanOrEqual(2000);
    expect(sample.output("flaky").retried).toBeGreaterThan(0);
    expect(sample.daemon.admin.stat().deadLetters).toBe(0);
  },
  "dispatch.yaml": async (sample) => {
    await finished(sample, "binlog");
    expect(await tablesOf(sample, "payments")).toEqual(["payments"]);
    expect(await tablesOf(sample, "shop")).toEqual(["customers", "orders"]);
    const outputs = sample.daemon.admin.stat().outputs.map(({ packets }) => packets);
    expect(outputs.reduce((sum, count) => sum + count)).toBe(sample.input("binlog").packets);
  },
  "batcher.yaml": async (sample) => {
    for (const name of ["bulky", "prompt", "picky"]) await came(sample, name, 2000);
    expect(sample.output("picky").failed).toBe(sample.daemon.admin.stat().deadLetters);
  },
  "complex.yaml": async (sample) => {
    await finished(sample, "shop");
    await came(sample, "dashboard", 500);
    const orders = await sample.lines("audit");
    expect(orders.length).toBeGreaterThan(0);
    const lake = await sample.lines("lake");
    const ofOrders = lake.filter((line) => tableOf(line) === "orders");
    // Once by shop.* and once by the fork's second copy.
    expect(ofOrders.length).toBe(2 * orders.length);
  },
  "spill.yaml": async (sample) => {
    await finished(sample, "orders");
    // Everybody has everything but the slow one, whose packets are on the disk.
    expect((await sample.lines("dashboard")).length).toBe(20_000);
    expect(sample.output("warehouse").packets).toBeLessThan(20_000);
    const { packets = 0 } = sample.output("warehouse").buffer ?? {};
    expect(packets).toBeGreaterThan(0);
  },
  "operators.yaml": async (sample) => {
    await finished(sample, "shop");
    const paid = (await sample.lines("paid-orders")) as { cols: string[]; rows: unknown[][] }[];
    expect(paid.length).toBeGreaterThan(10);
    expect(paid[0]?.cols).toEqual(["id", "customer", "status", "total", "placed_at"]);
    const counts = (await sample.lines("per-minute")) as { count: number }[];
    const sum = counts.reduce((all, { count }) => all + count, 0);
    expect(sum).toBe(sample.input("shop").packets);
    const some = sample.output("sample").packets;
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(paid.length);
    expect(sample.daemon.admin.stat().deadLetters).toBe(0);
  },
  "audit.yaml": async (sample) => {
    await finished(sample, "shop");
    type Line = {
      window: string;
      topic: string;
      read: number;
      written: number;
      difference: number;
    };
    const last = async () => {
      const lines = (await sample.lines("audit")) as Line[];
      return [...new Map(lines.map((line) => [`${line.window} ${line.topic}`, line])).values()];
    };
    const read = sample.input("shop").packets;
    const all = (lines: readonly Line[]) => lines.reduce((sum, { written }) => sum + written, 0);
    await waitFor(async () => all(await last()) === read, { what: "what has arrived" });
    const lines = await last();
    expect(lines.filter(({ difference }) => difference !== 0)).toEqual([]);
    expect(new Set(lines.map(({ topic }) => topic)).size).toBe(3);
    expect(lines.length).toBeGreaterThan(20);
    // From the parts alone it comes out the same, whichever start counted them.
    const partsOf = async () => (await sample.lines("counts")) as { count: number }[];
    const counted = async () => (await partsOf()).reduce((sum, { count }) => sum + count, 0);
    await waitFor(async () => (await counted()) === 2 * read, { what: "the parts of both sides" });
    const parts = await partsOf();
    const file = join(sample.stateDir, "counts/counts.ndjson");
    const sum = () => {
      const done = Bun.spawnSync([process.execPath, inRepo("audit-sum.ts"), file]);
      return [done.exitCode, `${done.stdout}${done.stderr}`];
    };
    const same = `${parts.length} parts, ${lines.length} topics and minutes, 0 differ\n`;
    expect(sum()).toEqual([0, same]);
    const lost = { window: "2026-01-01T00:00:00Z", topic: "shop.lost" };
    appendFileSync(file, `${JSON.stringify({ ...lost, side: "read", count: 2 })}\n`);
    const missing = { ...lost, read: 2, written: 0, difference: 2 };
    expect(sum()).toEqual([1, expect.stringContaining(`${JSON.stringify(missing)}\n`)]);
  },
  "stream.yaml": async (sample) => {
    await finished(sample, "log");
    await finished(sample, "notes");
    const written = textOf(join(sample.stateDir, "lines"));
    expect(written.filter((line) => line.startsWith("line ")).length).toBe(10_000);
    const notes = readFileSync(join(folder, "stream.yaml"), "utf8").split("\n").slice(0, -1);
    expect(written.filter((line) => !line.startsWith("line "))).toEqual(notes);
    expect(sample.output("unreadable").packets).toBe(0);
  },
  "inputs.yaml": async (sample) => {
    const { note } = await waitFor(() => listening(sample, "posted"), { what: "the HTTP input" });
    const url = `http://${note?.replace("listening on ", "")}/events`;
    const headers = { "content-type": "application/json" };
    const body = '[{"n": 1}, {"n": 2.50}]';
    const answer = await fetch(url, { method: "POST", headers, body });
    expect([answer.status, await answer.json()]).toEqual([202, { accepted: 2 }]);
    // Answered, so written.
    const posted = readFileSync(
      join(sample.stateDir, "posted-events/posted-events.ndjson"),
      "utf8",
    );
    expect(posted).toBe('{"n": 1}\n{"n": 2.50}\n');
    await finished(sample, "lines");
    await came(sample, "everything", sample.input("lines").packets + 100);
  },
};

/** Those that need servers run in test/integration, in samples.test.ts and beside them. */
const withServers = [
  "canal.yaml",
  "canal_es.yaml",
  "canal_many.yaml",
  "cluster.yaml",
  "listener.yaml",
  "mirror.yaml",
  "sub.yaml",
];

describe("etc", () => {
  test("every sample is run by a test", () => {
    expect([...Object.keys(runs), ...withServers].sort()).toEqual(samples.toSorted());
  });

  for (const name of samples) {
    test(`${name} can be used as it is, without a warning`, async () => {
      const { config, problems } = await loadConfig(inRepo(name), { registry, env });
      expect(problems).toEqual([]);
      expect(config).not.toBeNull();
    });

    test(`${name} names its schema and says what it shows`, () => {
      const [schema = "", ...lines] = readFileSync(join(folder, name), "utf8").split("\n");
      expect(schema).toBe("# yaml-language-server: $schema=schema.json");
      const head = lines.slice(
        0,
        lines.findIndex((line) => !line.startsWith("#")),
      );
      expect(head.length).toBeGreaterThanOrEqual(3);
      expect(lines.filter((line) => line.length > 110)).toEqual([]);
    });
  }

  for (const [name, run] of Object.entries(runs)) {
    test(`${name} runs on the real daemon and ends in order`, async () => {
      // Any free port, since the one of the sample may be taken on this machine.
      const own = join(scratch, name);
      const edit = (text: string) =>
        text.replace("port: 9877", "port: 0").replaceAll("data/audit", own);
      const sample = await startSample(inRepo(name), { edit });
      try {
        await run(sample);
        expect(sample.daemon.admin.stat().unrouted.packets).toBe(0);
        expect(sample.log.entries.filter(({ level }) => level === "error")).toEqual([]);
      } finally {
        expect(await sample.end()).toBe(0);
      }
    }, 30_000);
  }
});

function listening(sample: SampleDaemon, input: string) {
  const status = sample.input(input);
  return status.note?.startsWith("listening") ? status : undefined;
}

/** Waits until an output has that many packets. */
function came(sample: SampleDaemon, output: string, packets: number): Promise<unknown> {
  const what = `${packets} packets at ${output}`;
  return waitFor(() => sample.output(output).packets >= packets, { what });
}

/** Waits until an input has read its source to the end, and all of it is settled. */
function finished(sample: SampleDaemon, input: string): Promise<unknown> {
  const settled = () => {
    const { state, inFlight, packets } = sample.input(input);
    return state === "finished" && inFlight === 0 && packets > 0;
  };
  return waitFor(settled, { what: `the end of ${input}` });
}

async function tablesOf(sample: SampleDaemon, output: string): Promise<readonly unknown[]> {
  return [...new Set((await sample.lines(output)).map(tableOf))].sort();
}

/** The lines of all files of a folder, the rotated ones first. */
function textOf(path: string): readonly string[] {
  const names = readdirSync(path).sort();
  const [current = "", ...rotated] = names;
  const files = [...rotated, current].map((name) => readFileSync(join(path, name), "utf8"));
  return files.join("").split("\n").slice(0, -1);
}

function tableOf(line: unknown): unknown {
  return (line as { tbl?: unknown } | null)?.tbl;
}
