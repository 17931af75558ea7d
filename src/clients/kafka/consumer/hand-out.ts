import { type DbusError, toDbusError } from "../../../errors.ts";
import type { Polled, TopicPartition } from "../port.ts";
import type { RecordCursor } from "./record-cursor.ts";

/** What is to be known of a partition while something of it waits to be handed out. */
export type Handed = TopicPartition & {
  /** What is to be handed out next. */
  handed: number;
  /** Reading it ended with an error that was told, or is about to be. */
  halted: boolean;
};

/** An answer for one partition that is not handed out whole. */
type Ready<Part> = {
  readonly part: Part;
  readonly node: number;
  readonly cursor: RecordCursor;
  readonly end: number;
};

type Told<Part> = {
  readonly part: Part;
  readonly error: DbusError;
  readonly truncated: number | undefined;
};

/** What was fetched and what went wrong, until somebody polls. */
export type HandOut<Part extends Handed> = {
  put(ready: Ready<Part>): void;
  tell(part: Part, error: DbusError, truncated?: number): void;
  /** Bytes of that broker that wait. */
  waiting(node: number): number;
  /** Nothing of it is handed out any more. */
  drop(part: Part): void;
  /** Records in the order in which they came; an error behind the records that came before it. */
  next(): Polled | undefined;
};

export function createHandOut<Part extends Handed>(recordsMax: number): HandOut<Part> {
  let ready: Ready<Part>[] = [];
  let told: Told<Part>[] = [];

  function takeTold(): Polled | undefined {
    const at = told.findIndex(({ part }) => !ready.some((one) => one.part === part));
    const [one] = at < 0 ? [] : told.splice(at, 1);
    if (!one) return undefined;
    const { part, error, truncated } = one;
    const { topic, partition, handed } = part;
    const polled = { topic, partition, error, at: handed };
    return truncated === undefined ? polled : { ...polled, truncated };
  }

  function piece({ part, cursor, end }: Ready<Part>): Polled | undefined {
    const { topic, partition } = part;
    try {
      const records = cursor.take(recordsMax);
      const { done } = cursor;
      const last = records.at(-1);
      if (last === undefined && !done) return undefined;
      const next = done ? cursor.next : (last?.offset ?? part.handed) + 1;
      if (last === undefined && next === part.handed) return undefined;
      part.handed = next;
      return { topic, partition, records, next, end, leaderEpoch: cursor.epoch };
    } catch (thrown) {
      const error = toDbusError(thrown);
      part.halted = true;
      ready = ready.filter((one) => one.part !== part);
      told = told.filter((one) => one.part !== part);
      return { topic, partition, error, at: part.handed, behind: cursor.skip(part.handed) };
    }
  }

  return {
    put: (one) => void ready.push(one),
    tell: (part, error, truncated) => void told.push({ part, error, truncated }),
    waiting(nodeId) {
      let bytes = 0;
      for (const { node, cursor } of ready) if (node === nodeId) bytes += cursor.bytesLeft;
      return bytes;
    },
    drop(part) {
      ready = ready.filter((one) => one.part !== part);
      told = told.filter((one) => one.part !== part);
    },
    next() {
      const trouble = told.length > 0 ? takeTold() : undefined;
      if (trouble) return trouble;
      for (let first = ready[0]; first; first = ready[0]) {
        const found = piece(first);
        if ((!found || first.cursor.done) && ready[0] === first) ready.shift();
        if (found) return found;
      }
      return undefined;
    },
  };
}
