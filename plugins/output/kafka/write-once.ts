import {
  type DbusError,
  type Log,
  type Packet,
  type Position,
  type SourceRange,
  toDbusError,
  type Verdict,
} from "#plugin";
import type { Session } from "./session.ts";
import {
  encodePackets,
  type FenceAt,
  failuresOf,
  isRefusal,
  patienceOf,
  slotsOf,
  type Writer,
} from "./write.ts";

export type OnceWriter = {
  readonly writer: Writer;
  /** Of a resource; `sentAgain` says that an operator sends packets again, which have no order. */
  session(source: Pick<SourceRange, "input" | "resource" | "fence">, sentAgain?: boolean): Session;
  readonly log: Log;
};

/** A packet of a batch, with what is known of where it was read. */
type Placed = {
  readonly index: number;
  readonly packet: Packet;
  readonly position: Position;
  readonly range: SourceRange;
};

/**
 * Writes a batch as one transaction for each resource that it came from. Packets that are not behind
 * what is committed were read again, and are done. Throws KAFKA_FENCED when another process has the
 * transactional id; whatever else goes wrong is tried again.
 */
export async function writeOnce(
  once: OnceWriter,
  packets: readonly Packet[],
  ranges: readonly SourceRange[],
  fenceAt: FenceAt,
): Promise<readonly Verdict[] | undefined> {
  const verdicts: Verdict[] = new Array(packets.length).fill("done");
  const bySource = Map.groupBy(ranges, sourceName);
  // Asked now: where they stand is known only as long as this call has not waited.
  const all = [...bySource.values()].map((own) => own.flatMap((range) => placed(packets, range)));
  await once.writer.topics.check();
  let fenced: DbusError | undefined;
  await Promise.all(
    all.map(async (own) => {
      try {
        await writeSource(once, own, fenceAt, verdicts);
      } catch (thrown) {
        const error = toDbusError(thrown);
        // In a cluster the bus is told by it whose the resource is: until then this one waits.
        if (error.kind === "fence" && own[0]?.range.fence === undefined) fenced = error;
        if (error.kind === "bug") throw error;
        for (const { index } of own) verdicts[index] = again(error);
      }
    }),
  );
  if (fenced) throw fenced;
  return verdicts.every((verdict) => verdict === "done") ? undefined : verdicts;
}

const sourceName = ({ input, resource, fence }: SourceRange) => `${input}:${resource}:${fence}`;

function placed(packets: readonly Packet[], range: SourceRange): Placed[] {
  const found: Placed[] = [];
  for (let index = range.from; index < range.to; index++) {
    const packet = packets[index] as Packet;
    found.push({ index, packet, position: range.positionAt(index), range });
  }
  return found;
}

const again = (error: DbusError): Verdict => ({ retryAfterMs: patienceOf(error), error });

async function writeSource(
  once: OnceWriter,
  own: readonly Placed[],
  fenceAt: FenceAt,
  verdicts: Verdict[],
): Promise<void> {
  const { range } = own[0] as Placed;
  const session = once.session(range, range.compare === undefined);
  await session.alone(async () => {
    const { fresh, marks } = behind(own, session.marks);
    if (fresh.length < own.length) {
      const { input, resource } = range;
      const count = own.length - fresh.length;
      once.log.info("left out what had been committed before", { input, resource, count });
    }
    if (fresh.length > 0) await writeFresh(once, session, { fresh, marks }, fenceAt, verdicts);
  });
}

type Fresh = { readonly fresh: readonly Placed[]; readonly marks: ReadonlyMap<string, Position> };

/** What is behind the marks, and the marks that it brings. What nobody can compare is behind them. */
function behind(own: readonly Placed[], before: ReadonlyMap<string, Position>): Fresh {
  const marks = new Map<string, Position>();
  const fresh = own.filter(({ position, range: { partition, compare } }) => {
    if (!compare) return true;
    const mark = marks.get(partition) ?? before.get(partition);
    const order = mark === undefined ? undefined : compare(position, mark);
    if (order !== undefined && order <= 0) return false;
    marks.set(partition, position);
    return true;
  });
  return { fresh, marks };
}

async function writeFresh(
  { writer }: OnceWriter,
  session: Session,
  { fresh, marks }: Fresh,
  fenceAt: FenceAt,
  verdicts: Verdict[],
): Promise<void> {
  const errors: (DbusError | undefined)[] = fresh.map(() => undefined);
  const packets = fresh.map(({ packet }) => packet);
  const fences: FenceAt = (at) => fenceAt((fresh[at] as Placed).index);
  const encoded = await encodePackets(writer, packets, fences, errors);
  if (!errors.some((error) => error)) {
    const slots = [...slotsOf(encoded).values()];
    const results = await session.commit(slots, marks);
    writer.encoder.turn();
    if (results === undefined) return;
    const failed = failuresOf(slots, results);
    for (const [i, one] of encoded.entries()) {
      const own = one?.records.map(({ record }) => failed.get(record)) ?? [];
      const error = own.find((found) => found && !isRefusal(found)) ?? own.find((found) => found);
      errors[i] = error;
      if (error?.code === "KAFKA_TOPIC_MISSING" && one) writer.topics.forget(one.topic);
    }
  }
  // Whoever is refused has to be in the dead letters before a mark passes it: so the others wait.
  const cause = errors.find((error) => error !== undefined) as DbusError;
  for (const [i, { index }] of fresh.entries()) {
    const error = errors[i];
    if (error && isRefusal(error)) verdicts[index] = { failed: error };
    else verdicts[index] = error ? again(error) : { retryAfterMs: 0, error: cause };
  }
}
