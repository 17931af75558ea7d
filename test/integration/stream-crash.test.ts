import { expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { runDir } from "../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { seededRandom, testSeed, waitFor } from "../support/index.ts";

const rounds = 6;
const windowPackets = 512;
const linesARound = 4_000;

/** A log that is appended to and rotated by renaming, as logrotate does it without copytruncate. */
function logWriter(folder: string) {
  mkdirSync(folder);
  const path = join(folder, "app.log");
  let file = openSync(path, "a");
  let rotated = 0;
  let count = 0;
  return {
    path,
    get count() {
      return count;
    },
    /** Half of a line at the end is finished by the next call: a reader must wait for it. */
    write(lines: number) {
      let text = "";
      for (let i = 0; i < lines; i++) text += `${JSON.stringify({ n: count++ })}\n`;
      const half = Math.floor(text.length / 2);
      writeSync(file, text.slice(0, half));
      writeSync(file, text.slice(half));
    },
    rotate() {
      closeSync(file);
      renameSync(path, `${path}.${String(++rotated).padStart(6, "0")}`);
      file = openSync(path, "a");
    },
    end: () => closeSync(file),
  };
}

const configOf = (dir: string, path: string) => ({
  bus: { window: { packets: windowPackets }, checkpointIntervalMs: 50 },
  state: { dir: join(dir, "state") },
  inputs: [
    { name: "log", plugin: "StreamInput", file: path, follow: true, pollMs: 5, lines: "ndjson" },
  ],
  outputs: [{ name: "copy", plugin: "StreamOutput", match: "log", batch: { countMax: 64 } }],
});

/** The numbers that arrived, in order; throws on a line that is not whole. */
function arrived(dir: string): number[] {
  const path = join(dir, "state", "copy", "copy.ndjson");
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { n: number }).n);
}

/** Waits for the first checkpoint. */
async function begun(daemon: DaemonProcess): Promise<void> {
  await daemon.ready();
  const stored = async () => {
    const answer = await fetch(`${daemon.adminUrl}/api/v1/checkpoints`);
    return (await answer.text()).includes("inode");
  };
  await waitFor(stored, { what: "the first checkpoint" });
}

test("a rotated log is copied line by line through SIGKILL after SIGKILL, nothing lost, no half line", async () => {
  const random = seededRandom(testSeed("stream crash"));
  const dir = await runDir("stream-crash");
  const log = logWriter(join(dir, "log"));
  let daemon: DaemonProcess | undefined;
  try {
    for (let round = 0; round < rounds; round++) {
      daemon = await startDaemonProcess({ config: configOf(dir, log.path), dir });
      const before = arrived(dir).length;
      const goal = before + random.int(1, linesARound / 2);
      // Before there is a position, a file that was moved away is none of this input's.
      if (round === 0) await begun(daemon);
      for (let written = 0; written < linesARound; written += 500) {
        log.write(500);
        if (random.chance(0.2)) log.rotate();
      }
      await waitFor(() => arrived(dir).length >= goal, {
        what: `${goal} lines`,
        timeoutMs: 20_000,
      });
      daemon.kill("SIGKILL");
      await daemon.exited;
    }
    daemon = await startDaemonProcess({ config: configOf(dir, log.path), dir });
    const last = log.count - 1;
    const whole = () => arrived(dir).at(-1) === last;
    await waitFor(whole, { what: `line ${last}`, timeoutMs: 20_000 });
    expect(await daemon.stop()).toBe(0);
  } finally {
    if (daemon?.running) daemon.kill("SIGKILL");
    log.end();
  }
  const numbers = arrived(dir);
  const firsts = [...new Set(numbers)];
  expect(firsts.length).toBe(log.count);
  // Set keeps the order of first sights, so this says that none was overtaken.
  expect(firsts.every((n, i) => n === i)).toBe(true);
  // A line comes again only in a run that began after one was killed.
  const times = new Map<number, number>();
  for (const n of numbers) times.set(n, (times.get(n) ?? 0) + 1);
  expect(Math.max(...times.values())).toBeLessThanOrEqual(rounds + 1);
  const again = numbers.length - firsts.length;
  process.stderr.write(`[stream crash] ${rounds} kills, ${log.count} lines, ${again} came twice\n`);
}, 120_000);
