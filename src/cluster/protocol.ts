import { z } from "zod";
import type { ZkOperation, ZkSession } from "#src/clients/zookeeper/port.ts";
import { DbusError } from "#src/errors.ts";
import { optional } from "./optional.ts";
import { paths } from "./paths.ts";
import { decode, encode, type ParticipantRecord } from "./records.ts";
import { createIfMissing } from "./register-resources.ts";

/** Which protocol a cluster speaks; who cannot speak it must not join. */
const formatSchema = z.strictObject({
  /** What all of them speak now: what is written follows it. */
  protoFinal: z.int().min(1),
  /** The oldest with which what has been written can still be read. */
  protoMin: z.int().min(1),
});
export type FormatRecord = z.output<typeof formatSchema>;

type Protocols = ParticipantRecord["proto"];

export async function readFormat(session: ZkSession) {
  return optional(session, paths.format, (data) => decode(formatSchema, data, paths.format));
}

/**
 * Before anything else of a cluster is touched: whether we speak what it speaks. Whoever comes first
 * says what that is. Throws CLUSTER_PROTOCOL.
 */
export async function requireProtocol(session: ZkSession, [min, max]: Protocols): Promise<void> {
  const own: FormatRecord = { protoFinal: max, protoMin: min };
  await createIfMissing(session, paths.format, encode(own));
  await session.sync(paths.format);
  const format = (await readFormat(session))?.record ?? own;
  if (min <= format.protoFinal && format.protoFinal <= max) return;
  const speaks = `the cluster speaks protocol ${format.protoFinal}, and this dbusd ${min} to ${max}`;
  throw new DbusError("CLUSTER_PROTOCOL", speaks);
}

/**
 * Lets the cluster speak the newest protocol that all who are there can. It never goes back: from
 * then on something may be written that an older one could not read.
 */
export async function raiseProtocol(
  session: ZkSession,
  participants: ReadonlyMap<string, ParticipantRecord>,
  write: (operations: readonly ZkOperation[]) => Promise<unknown>,
): Promise<number | null> {
  const all = [...participants.values()].map(({ proto }) => proto);
  if (all.length === 0) return null;
  const newest = Math.min(...all.map(([, max]) => max));
  const oldest = Math.max(...all.map(([min]) => min));
  const format = await readFormat(session);
  if (!format || newest <= format.record.protoFinal || newest < oldest) return null;
  const data = encode({ ...format.record, protoFinal: newest } satisfies FormatRecord);
  await write([{ kind: "set", path: paths.format, data, version: format.version }]);
  return newest;
}
