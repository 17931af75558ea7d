import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createMemoryDeadLetterStore } from "#src/deadletter/memory-store.ts";
import { openState } from "#src/state/open-state.ts";
import { deadLetterStoreContract } from "../contract/dead-letter-store.ts";
import { samplePackets } from "../support/sample-packets.ts";
import { stateDirs } from "../support/state-dirs.ts";

const newDir = stateDirs("deadletter");
const crash = { crashes: 0, crashedAt: null };
const base = { node: "out", input: "in", resource: "r", partition: "0", ident: "i", ...crash };
const letter = { ...base, position: "1", code: "X", reason: "y", packet: samplePackets[0]! };

describe("in memory", () => deadLetterStoreContract(async () => createMemoryDeadLetterStore()));

describe("in SQLite", () => {
  deadLetterStoreContract(async () => (await openState({ dir: newDir() })).deadLetters);

  test("a damaged letter says so, and is not handed over as a packet", async () => {
    const dir = newDir();
    const { deadLetters, close } = await openState({ dir });
    const [id = 0] = deadLetters.put([letter]);
    const other = new Database(join(dir, "state.db"));
    other.run("UPDATE dead_letter SET packet = replace(packet, 'orders', 'ordets')");
    other.close();
    expect(() => deadLetters.get(id)).toThrow("does not fit its checksum");
    deadLetters.remove([id]);
    expect(deadLetters.count()).toBe(0);
    await close();
  });

  test("a page of large letters is bounded in bytes, and still goes on", async () => {
    const { deadLetters, close } = await openState({ dir: newDir() });
    const payload = { kind: "text", text: "x".repeat(3 << 20) } as const;
    const large = { ...letter, packet: { ...letter.packet, payload } };
    for (let n = 0; n < 4; n++) deadLetters.put([large]);
    const page = deadLetters.list();
    expect(page).toHaveLength(2);
    expect(deadLetters.list({ after: page.at(-1)!.id })).toHaveLength(2);
    await close();
  });
});
