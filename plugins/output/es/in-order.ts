import type { Packet, Verdict } from "#plugin";
import type { Operation, Operations } from "./operations.ts";

/**
 * Whoever is not there yet has those of the same document behind it wait too, although they are there
 * already: written alone afterwards it would undo them, where no version tells that it is older. Also
 * one that was refused may be written later, with `onFailed: block`.
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
    const documents = unversioned(packet, operations);
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

/** The documents of a packet of which the last write wins; none when it cannot be told. */
function unversioned(packet: Packet, operations: Operations): readonly string[] {
  let made: readonly Operation[];
  try {
    made = operations(packet);
  } catch {
    return [];
  }
  return made
    .filter(({ place }) => place === undefined || place.shared)
    .map(({ index, id }) => `${index} ${id}`);
}
