import type { CheckpointStore } from "../checkpoint/store.ts";
import { DbusError } from "../errors.ts";
import { type AckLedger, createAckLedger } from "./ack-ledger.ts";
import type { EmitRight, Partition } from "./partition.ts";
import type { ComparePositions, Json, Position } from "./position.ts";

/** The partitions of one resource of one input. Outlives every restart of the input. */
export type PartitionSet = EmitRight & {
  readonly key: { readonly input: string; readonly resource: string };
  readonly window: { readonly packets: number; readonly bytes: number };
  /** Set by an operator; undefined follows the config. */
  paused: boolean | undefined;
  /** Nothing new is admitted while the way behind it is being changed. Call `onRoom` after it. */
  held: boolean;
  /**
   * Set by whoever has the right from somebody else: whether what was read may go out right now.
   * Outputs ask it immediately before each write; after a change tell them by `emission`.
   */
  mayEmit: () => boolean;
  /**
   * Another one may own the resource now: from this call on nothing more is admitted, written or
   * committed. What is in flight is settled unwritten, without a dead letter, and moves no
   * watermark; a write that is under way may end, and its verdicts count for nothing.
   */
  fence(): void;
  /**
   * The resource is ours, again or for the first time: nothing of an earlier time counts any more,
   * and what is still on its way from then stays fenced. `fence` is the version of the assignment.
   */
  renew(owned: { readonly fence: number; readonly mayEmit: () => boolean }): void;
  /** Resolves when the plugin's run before this one has ended, or was given up. Never rejects. */
  former: Promise<void>;
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** How long the oldest packet in flight is known to wait, in ms; 0 when there is none. */
  readonly heldMs: number;
  /** The oldest packet in flight of each partition, and how long it is known to have been that. */
  heads(): readonly Head[];
  get(name: string): Partition;
  all(): Iterable<Partition>;
  /** Reads the stored positions; called before each run, the newest watermark wins over them. */
  load(store: CheckpointStore): Promise<void>;
  /** Where to go on: the watermark, else what is stored; null when there is neither. */
  resume(name: string): Json | null;
  /** What is to be committed: partitions whose watermark has moved since `committed`. */
  dirty(): readonly { readonly name: string; readonly position: Position }[];
  committed(name: string, position: Position): void;
  /**
   * Makes the sinks forget how far they are with a partition, once nothing of it is in flight: what
   * is read next may be anywhere before that. Rejects when one of them cannot.
   */
  forgotten(name: string): Promise<void>;
  /** Writes where partitions begin of which nothing is stored, before anything of them is admitted. */
  begin(store: CheckpointStore, positions: Readonly<Record<string, Position>>): Promise<void>;
  /** Writes another position to read on from; null forgets it. Only while nothing is in flight. */
  reposition(store: CheckpointStore, name: string, position: Json | null): Promise<void>;
  /** Resolves true when nothing (of that partition) is in flight, false after `ms` milliseconds. */
  drained(ms: number, name?: string): Promise<boolean>;
  /** The partitions that have a checkpoint, or will have one with the next commit. */
  known(): readonly string[];
  /** The watermark as it would be stored; null before there is one. */
  settled(name: string): Json | null;
  /** Called whenever a ledger has made room; set by whoever waits for it. */
  onRoom: () => void;
};

/** The oldest packet in flight of a partition. Its checkpoint waits for it. */
export type Head = {
  readonly partition: Partition;
  readonly seq: number;
  readonly position: Position;
  readonly heldMs: number;
};

/** Makes one sink forget a partition that is read under that version of the assignment. */
export type Forgetter = (partition: string, fence: number | undefined) => Promise<void>;

export type PartitionSetOptions = {
  readonly input: string;
  readonly resource: string;
  readonly window: { readonly packets: number; readonly bytes: number };
  readonly epoch: number;
  /** A number that no other partition of the process has. */
  readonly nextLane: () => number;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => { cancel(): void };
  readonly compare?: ComparePositions | undefined;
  /** Those outputs whose sink keeps positions: each forgets the one of a partition. */
  readonly sinks?: () => readonly Forgetter[];
};

export function createPartitionSet(options: PartitionSetOptions): PartitionSet {
  const { input, resource, window, epoch, compare, sinks = () => [] } = options;
  const partitions = new Map<string, Partition>();
  const stored = new Map<string, Json>();
  const written = new Map<string, Position>();
  /** The oldest packet in flight by partition, and since when it has been that. */
  const oldest = new Map<string, { readonly seq: number; readonly since: number }>();
  const waiters = new Set<() => void>();
  let right = createRight(() => set.mayEmit());
  let fence: number | undefined;

  function onLedgerRoom() {
    set.onRoom();
    // Called for each settled range, and nearly always without anybody who waits.
    if (waiters.size > 0) for (const look of [...waiters]) look();
  }

  function sum(of: (ledger: AckLedger) => number): number {
    let total = 0;
    for (const { ledger } of partitions.values()) total += of(ledger);
    return total;
  }

  /** Looks at the ledgers, so that nothing has to be noted for each packet. */
  function observe(): Head[] {
    const now = options.now();
    const mayGo = set.mayEmit();
    const heads: Head[] = [];
    for (const partition of partitions.values()) {
      const { name } = partition;
      const found = partition.ledger.oldest();
      if (!found) {
        oldest.delete(name);
        continue;
      }
      const before = oldest.get(name);
      // While it may not go out nobody holds it up but the one who says so.
      const goesOn = before?.seq === found.seq && mayGo;
      const since = goesOn ? before.since : now;
      if (!goesOn) oldest.set(name, { seq: found.seq, since });
      heads.push({ partition, ...found, heldMs: now - since });
    }
    return heads;
  }

  const set: PartitionSet = {
    key: { input, resource },
    window,
    paused: undefined,
    held: false,
    get fenced() {
      return right.fenced;
    },
    mayEmit: () => true,
    onFenced: (name, discard) => right.onFenced(name, discard),
    fence() {
      if (right.fenced) return;
      right.fence();
      for (const { ledger } of partitions.values()) ledger.fence();
      right.discard();
      set.onRoom();
    },
    renew(owned) {
      set.fence();
      for (const known of [partitions, stored, written, oldest]) known.clear();
      set.mayEmit = owned.mayEmit;
      fence = owned.fence;
      right = createRight(() => set.mayEmit());
    },
    former: Promise.resolve(),
    onRoom() {},
    get inFlight() {
      return sum((ledger) => ledger.inFlight);
    },
    get inFlightBytes() {
      return sum((ledger) => ledger.inFlightBytes);
    },
    get heldMs() {
      return Math.max(0, ...observe().map(({ heldMs }) => heldMs));
    },
    heads: observe,
    get(name) {
      const found = partitions.get(name);
      if (found) return found;
      const ledger = createAckLedger({ window, onRoom: onLedgerRoom });
      if (right.fenced) ledger.fence();
      const own = { lane: options.nextLane(), input, resource, name };
      const partition: Partition = { ...own, ledger, right, fence, compare };
      partitions.set(name, partition);
      return partition;
    },
    all: () => partitions.values(),
    async load(store) {
      stored.clear();
      for (const checkpoint of await store.list({ input, resource })) {
        stored.set(checkpoint.partition, parse(checkpoint.position, input));
      }
    },
    resume(name) {
      return set.settled(name) ?? stored.get(name) ?? null;
    },
    settled(name) {
      const mark = partitions.get(name)?.ledger.watermark();
      return mark === undefined ? null : JSON.parse(JSON.stringify(mark));
    },
    known() {
      const marked = [...partitions.keys()].filter((name) => set.settled(name) !== null);
      return [...new Set([...stored.keys(), ...marked])];
    },
    dirty() {
      // Asked regularly, so the time is right to that much when nobody looks at it.
      observe();
      if (right.fenced) return [];
      const found = [];
      for (const { name, ledger } of partitions.values()) {
        const position = ledger.watermark();
        if (position !== undefined && position !== written.get(name))
          found.push({ name, position });
      }
      return found;
    },
    committed(name, position) {
      written.set(name, position);
    },
    async forgotten(name) {
      const all = sinks();
      if (all.length === 0) return;
      await set.drained(Number.POSITIVE_INFINITY, name);
      await Promise.all(all.map((forget) => forget(name, fence)));
    },
    async begin(store, positions) {
      const begun = Object.entries(positions);
      for (const [name, position] of begun) set.get(name).ledger.idle(position);
      const commits = begun.map(([partition, position]) => {
        return { input, resource, partition, position: JSON.stringify(position), epoch };
      });
      await store.commit(commits);
    },
    async reposition(store, name, position) {
      if (right.fenced) throw fencedError(set);
      const key = { input, resource, partition: name };
      const mark = partitions.get(name)?.ledger.watermark();
      if (mark !== undefined && sinks().length > 0) {
        // Once they have forgotten, only this says how far they are.
        await store.commit([{ ...key, position: JSON.stringify(mark), epoch }]);
      }
      await set.forgotten(name);
      if (position === null) await store.remove(key);
      else await store.commit([{ ...key, position: JSON.stringify(position), epoch }]);
      partitions.get(name)?.ledger.reset();
      written.delete(name);
    },
    drained(ms, name) {
      const isEmpty = () =>
        (name === undefined ? set.inFlight : (partitions.get(name)?.ledger.inFlight ?? 0)) === 0;
      if (isEmpty()) return Promise.resolve(true);
      return new Promise((resolve) => {
        const timer = Number.isFinite(ms) ? options.after(ms, () => end(false)) : undefined;
        const look = () => {
          if (isEmpty()) end(true);
        };
        waiters.add(look);
        function end(drained: boolean) {
          timer?.cancel();
          waiters.delete(look);
          resolve(drained);
        }
      });
    },
  };
  return set;
}

type Right = Omit<EmitRight, "fenced"> & { fenced: boolean; fence(): void; discard(): void };

/** The right to one time of ownership: once it is gone it never comes back. */
function createRight(mayEmit: () => boolean): Right {
  /** Whoever holds packets of this resource, by the name of the place. */
  const holders = new Map<string, () => void>();
  const right: Right = {
    mayEmit,
    // A field, since it is read at each step of each batch.
    fenced: false,
    onFenced: (name, discard) => void holders.set(name, discard),
    fence() {
      right.fenced = true;
    },
    discard() {
      for (const discard of holders.values()) discard();
      holders.clear();
    },
  };
  return right;
}

/** What whoever still wants to put packets in, or waits for them, is told. */
export function fencedError({ key }: Pick<PartitionSet, "key">): DbusError {
  const what = `${key.input} has lost its right to ${key.resource}`;
  return new DbusError("STALE_EPOCH", what);
}

function parse(text: string, input: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new DbusError("CHECKPOINT_CORRUPT", `the checkpoint of ${input} is not JSON`, { cause });
  }
}
