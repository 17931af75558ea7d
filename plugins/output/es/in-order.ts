import type { Packet, Verdict } from "#plugin";
import type { Operations } from "./operations.ts";

/**
 * Whoever is not there yet has those of the same document behind it wait too, although they are there
 * already: written alone afterwards it would undo them, where no version tells that it is older, or
 * where its lineage has a higher number by then. Also one that was refused may be written later, with
 * `onFailed: block`.
 */
export function inOrder(
  packets: readonly Packet[],
  verdicts: readonly Verdict[],
  operations: Operations,
): readonly Verdict[] {
  const held = new Map<string, Verdict>();
  return packets.map((packet, i): Verdict => {
    const verdict = verdicts[i] as Verdict;
    if (verdict === "done" && held.size === 0) return verdict;
    const documents = documentsOf(packet, operations);
    const before = documents.map((document) => held.get(document)).find((one) => one);
    const own = verdict === "done" ? before : retryOf(verdict);
    if (own === undefined) return verdict;
    for (const document of documents) held.set(document, own);
    return verdict === "done" ? own : verdict;
  });
}

function retryOf(verdict: Exclude<Verdict, "done">): Verdict {
  return "failed" in verdict ? { retryAfterMs: 0, error: verdict.failed } : verdict;
}

/** None when it cannot be told. */
function documentsOf(packet: Packet, operations: Operations): readonly string[] {
  try {
    return operations(packet).map(({ index, id }) => `${index} ${id}`);
  } catch {
    return [];
  }
}
