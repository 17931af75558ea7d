import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { holdsFor } from "../../support/holds-for.ts";
import { waitFor } from "../../support/wait-for.ts";

const program = fileURLToPath(import.meta.resolve("../../support/leased-bus.ts"));
const rounds = Number(process.env.DBUS_STOPPED_LEASES ?? 3);
const leaseMs = 500;
/** How long it is stopped beyond its lease; a part of that is what the machine may take for a turn. */
const beyondMs = 400;

/** A bus in a process of its own, which may write until the time that it was told last. */
function leasedBus() {
  const child = Bun.spawn([process.execPath, program], { stdin: "pipe", stdout: "pipe" });
  const lines: string[] = [];
  const reading = (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of child.stdout) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
    }
  })();
  return {
    lines,
    /** Number, and by how many milliseconds too late, of each packet that was written. */
    written: () =>
      lines.filter((line) => line.includes(" ")).map((line) => line.split(" ").map(Number)),
    renew(ms: number) {
      child.stdin.write(`${ms}\n`);
      child.stdin.flush();
    },
    signal: (name: "SIGSTOP" | "SIGCONT") => child.kill(name),
    async end() {
      child.kill("SIGKILL");
      await child.exited;
      await reading;
    },
  };
}

test("a process that is stopped for longer than its lease writes nothing when it goes on, and all of it once it may", async () => {
  const bus = leasedBus();
  try {
    for (let round = 0; round < rounds; round++) {
      const before = bus.written().length;
      bus.renew(leaseMs);
      await waitFor(() => bus.written().length > before + 5, { what: "packets", intervalMs: 2 });
      bus.signal("SIGSTOP");
      const stopped = bus.lines.length;
      const isHeld = () => bus.lines.includes("held", stopped);
      const ms = leaseMs + beyondMs;
      await holdsFor(() => !isHeld(), { ms, what: "a process that stands still to say nothing" });
      bus.signal("SIGCONT");
      await waitFor(isHeld, {
        what: "packets that are held",
      });
    }
    const count = bus.written().length;
    bus.renew(60_000);
    // More than the window, so what was held has come with what was behind it.
    await waitFor(() => bus.written().length > count + 150, { what: "what was held" });
  } finally {
    await bus.end();
  }
  const written = bus.written();
  expect(written.filter(([, late = 0]) => late > beyondMs / 2)).toEqual([]);
  expect(written.map(([n]) => n)).toEqual(written.map((_, i) => i + 1));
}, 60_000);
