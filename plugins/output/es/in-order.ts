import type { Packet, Verdict } from "#plugin";
import type { Operation, Operations } from "./operations.ts";

/**
 * Whoever waits has those of the same document behind it wait too, although they are there already:
 * written again alone it would undo them, where no version tells that it is older.
 */
export function inOrder(
  packets: readonly Packet[],
  verdicts: readonly Verdict[],
  operations: Operations,
): readonly Verdict[] {
  const waiting = new Map<string, Verdict>();
  return packets.map((packet, i): Verdict => {
    const verdict = verdicts[i] as Verdict;
    const isWaiting = verdict !== "done" && "retryAfterMs" in verdict;
    if (!isWaiting && waiting.size === 0) return verdict;
    const documents = documentsOf(packet, operations);
    const before = documents.map((document) => waiting.get(document)).find((one) => one);
    const own = verdict === "done" ? (before ?? verdict) : verdict;
    if (own !== "done" && "retryAfterMs" in own) {
      for (const document of documents) waiting.set(document, own);
    }
    return own;
  });
}

/** Which documents a packet is about; none when it cannot be told. */
function documentsOf(packet: Packet, operations: Operations): readonly string[] {
  let made: readonly Operation[];
  try {
    made = operations(packet);
  } catch {
    return [];
  }
  return made.map(({ index, id }) => `${index} ${id}`);
}
