import { createDeque } from "../actor/deque.ts";
import { DbusError } from "../errors.ts";
import { settlementOf, type Tracker } from "./ack-ledger.ts";
import type { Edge } from "./edge.ts";
import type { InputStats } from "./node-stats.ts";
import { DELIVERED } from "./outcome.ts";
import type { Packet } from "./packet.ts";
import type { Partition } from "./partition.ts";
import { fencedError, type PartitionSet } from "./partition-set.ts";
import type { Position } from "./position.ts";

/**
 * The gate of an input: packets go into the ledger and onto the edge as far as the window has
 * room, the rest waits in order, and so does the plugin. A source can never be ahead of what is
 * settled by more than the window.
 */
export type Admission = {
  readonly paused: boolean;
  setPaused(paused: boolean): void;
  /** `reserved` bytes count as if they were in flight already. */
  hasCredit(packets: number, bytes: number, reserved?: number): boolean;
  /** Undefined, or a promise that ends when there is credit for so much. */
  room(packets: number, bytes: number): Promise<void> | undefined;
  /** Admits what waits, as far as there is room. */
  pump(): void;
  /** The handle of one run: it is dead once `signal` aborts. */
  begin(signal: AbortSignal): RunAdmission;
  /** Rejects and forgets whatever waits. */
  cancel(): void;
};

export type RunAdmission = {
  batch(packets: Packet[], partition: string): Promise<void> | undefined;
  one(packet: Packet, partition: string): Promise<void> | undefined;
  deliver(packets: Packet[], partition: string): Promise<"delivered" | "deadlettered">;
  idle(position: Position, partition: string): void;
  /** Throws once nothing of this run gets in any more. */
  mustLive(): void;
};

export type AdmissionOptions = {
  readonly partitions: PartitionSet;
  readonly edge: Edge;
  readonly stats: InputStats;
  /** Called once when there may be room again; answer it with `pump`. */
  readonly onRoom: () => void;
};

/** Packets that have not found room yet, from `from` on. */
type Waiting = {
  readonly partition: Partition;
  readonly packets: readonly Packet[];
  from: number;
  readonly tracker: Tracker | undefined;
  readonly resolve: () => void;
  readonly reject: (error: DbusError) => void;
};

/** Somebody who waits until there is credit for so much. */
type Room = {
  readonly packets: number;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: DbusError) => void;
};

const stopped = () => new DbusError("ACTOR_UNAVAILABLE", "the input was told to stop");

export function createAdmission(options: AdmissionOptions): Admission {
  const { partitions, edge, stats, onRoom } = options;
  const queue = createDeque<Waiting>();
  const rooms: Room[] = [];
  let paused = false;
  let asked = false;

  partitions.onRoom = () => {
    if (asked || (queue.size === 0 && rooms.length === 0)) return;
    asked = true;
    onRoom();
  };

  const closed = () => paused || partitions.held || partitions.fenced;

  /** Admits from `from` on as far as there is room; answers how far. */
  function admit(partition: Partition, packets: readonly Packet[], from: number, track?: Tracker) {
    const { ledger } = partition;
    const to = from + ledger.fits(packets, from);
    if (to === from) return from;
    const first = ledger.admit(packets, from, to);
    if (track) ledger.track(first, to - from, track);
    stats.packets += to - from;
    for (let i = from; i < to; i++) stats.bytes += (packets[i] as Packet).bytes;
    edge.send(
      partition,
      from === 0 && to === packets.length ? packets : packets.slice(from, to),
      first,
    );
    return to;
  }

  function submit(
    partition: Partition,
    packets: readonly Packet[],
    track: Tracker | undefined,
  ): Promise<void> | undefined {
    const open = !closed() && queue.size === 0;
    const from = open ? admit(partition, packets, 0, track) : 0;
    if (from === packets.length && !full(partition)) return undefined;
    if (open) partition.ledger.want();
    return new Promise((resolve, reject) => {
      queue.push({ partition, packets, from, tracker: track, resolve, reject });
    });
  }

  function full({ ledger }: Partition): boolean {
    return (
      ledger.inFlight >= partitions.window.packets ||
      ledger.inFlightBytes >= partitions.window.bytes
    );
  }

  function pump(): void {
    asked = false;
    if (closed()) return;
    for (let waiting = queue.peek(); waiting; waiting = queue.peek()) {
      waiting.from = admit(waiting.partition, waiting.packets, waiting.from, waiting.tracker);
      if (waiting.from < waiting.packets.length || full(waiting.partition)) {
        waiting.partition.ledger.want();
        return;
      }
      queue.shift();
      waiting.resolve();
    }
    for (let room = rooms[0]; room && hasCredit(room.packets, room.bytes); room = rooms[0]) {
      rooms.shift();
      room.resolve();
    }
    if (rooms.length > 0) wantRoom();
  }

  /** What is in flight of any partition may be what somebody waits for. */
  function wantRoom(): void {
    for (const { ledger } of partitions.all()) if (ledger.inFlight > 0) ledger.want();
  }

  function hasCredit(packets: number, bytes: number, reserved = 0): boolean {
    if (closed() || queue.size > 0) return false;
    const { window, inFlight, inFlightBytes } = partitions;
    if (inFlight + packets > window.packets) return false;
    // Only one alone may be larger than the window; several that are too large together are not.
    return inFlightBytes + reserved + Math.min(bytes, window.bytes) <= window.bytes;
  }

  function refuse(why: () => DbusError): void {
    for (let waiting = queue.shift(); waiting; waiting = queue.shift()) waiting.reject(why());
    for (const room of rooms.splice(0)) room.reject(why());
  }

  function begin(signal: AbortSignal): RunAdmission {
    const singles = new Map<string, Packet[]>();
    const fenced = () => fencedError(partitions);
    /** What it reads is of the right under which it began: under the next one it is nobody's. */
    let over = partitions.fenced;
    partitions.onFenced("admission", () => {
      over = true;
      singles.clear();
      refuse(fenced);
    });

    /** Why nothing of this run gets in any more. */
    function ended(): DbusError | undefined {
      if (signal.aborted) return stopped();
      return over ? fenced() : undefined;
    }

    function flushSingles(): Promise<void> | undefined {
      let wait: Promise<void> | undefined;
      for (const [name, packets] of singles)
        wait = submit(partitions.get(name), packets, undefined);
      singles.clear();
      return wait;
    }

    function batch(packets: Packet[], name: string): Promise<void> | undefined {
      const why = ended();
      if (why) return Promise.reject(why);
      if (singles.size > 0) void flushSingles()?.catch(() => {});
      if (packets.length === 0) return undefined;
      return submit(partitions.get(name), packets, undefined);
    }

    return {
      batch,
      one(packet, name) {
        const why = ended();
        if (why) return Promise.reject(why);
        const waiting = singles.get(name);
        if (waiting && waiting.length < SINGLES_MAX) {
          waiting.push(packet);
          return undefined;
        }
        if (waiting) {
          waiting.push(packet);
          return flushSingles();
        }
        singles.set(name, [packet]);
        queueMicrotask(() => void flushSingles()?.catch(() => {}));
        return queue.size > 0 ? submit(partitions.get(name), [], undefined) : undefined;
      },
      deliver(packets, name) {
        const why = ended();
        if (why) return Promise.reject(why);
        if (singles.size > 0) void flushSingles()?.catch(() => {});
        if (packets.length === 0) return Promise.resolve("delivered");
        return new Promise((resolve, reject) => {
          const done = (worst: Tracker["worst"]) => resolve(settlementOf(worst));
          const lost = () => reject(fenced());
          const tracker: Tracker = { remaining: packets.length, worst: DELIVERED, done, lost };
          submit(partitions.get(name), packets, tracker)?.catch(reject);
        });
      },
      mustLive() {
        const why = ended();
        if (why) throw why;
      },
      idle(position, name) {
        if (ended() || queue.size > 0 || singles.size > 0) return;
        partitions.get(name).ledger.idle(position);
      },
    };
  }

  return {
    get paused() {
      return paused;
    },
    setPaused(now) {
      paused = now;
      if (!paused) pump();
    },
    hasCredit,
    room(wanted, bytes) {
      const packets = Math.min(wanted, partitions.window.packets);
      if (hasCredit(packets, bytes)) return undefined;
      if (!closed()) wantRoom();
      return new Promise((resolve, reject) => rooms.push({ packets, bytes, resolve, reject }));
    },
    pump,
    begin,
    cancel: () => refuse(stopped),
  };
}

/** Packets emitted one by one go out together at the end of the turn, or when so many have come. */
const SINGLES_MAX = 1024;
