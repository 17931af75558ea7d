import type { Clock } from "../clock.ts";
import type { DbusError } from "../errors.ts";
import type { Packet } from "../flow/packet.ts";
import type { ComparePositions, Json, Position } from "../flow/position.ts";
import type { Log } from "../log.ts";
import type { Resource } from "./resource.ts";

type Common = {
  /** The entry's name in the config. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** `state.dir`, for what a plugin keeps on disk below `<stateDir>/<name>/`. */
  readonly stateDir: string;
  /** Aborts when the plugin must come to an end. */
  readonly signal: AbortSignal;
};

/** For `dbusd --check`: what a plugin finds out of its server without reading or writing anything. */
export type CheckContext = Pick<Common, "clock" | "log" | "signal"> & {
  /** What is as it should be, e.g. `topic orders: 12 partitions, may be read`. */
  ok(what: string): void;
  /** What may be meant so: it does not make the check fail. */
  warn(error: DbusError): void;
  /** What would keep it from working; to throw it is the same, and ends the check. */
  fail(error: DbusError): void;
};

/** A piece of the source that was skipped: written down before reading goes on. */
export type GapReport = {
  /** What was to be read next; null when nothing was known. */
  readonly from: Json;
  /** Where reading goes on. */
  readonly to: Json;
  readonly reason: string;
};

/** How far behind: the time, the bytes or the records that the source has and we have not read. */
export type Lag = {
  readonly seconds?: number;
  readonly bytes?: number;
  readonly records?: number;
};

/** How the packets of one `deliver` ended, the worst of them. */
export type Settlement = "delivered" | "deadlettered";

export type EmitOptions = {
  /** Packets of one partition keep their order and share one checkpoint; the default is "0". */
  readonly partition?: string;
};

export type InputContext = Common & {
  readonly resource: Resource;
  /**
   * What whoever reads this resource is known by at its source, from 2^30 to 2^31: the same on every
   * process of a cluster, so that a source which has one reader of a name ends the former one.
   * Undefined in a single process.
   */
  readonly readerId?: number | undefined;
  /** The entry's `ident`: what it emits under unless it has better ones. */
  readonly ident: string;
  /** The position to go on from, checked by `positionSchema`; null where nothing is stored. */
  resume(partition?: string): Json | null;
  /**
   * Hands packets over, in order. Undefined: there is room for more. A promise: wait for it before
   * you emit again; it rejects with an AbortError-like DbusError only when the input must stop.
   * The array belongs to the bus afterwards. At most `bus.window.packets` packets a call.
   */
  emitBatch(packets: Packet[], options?: EmitOptions): Promise<void> | undefined;
  emit(packet: Packet, options?: EmitOptions): Promise<void> | undefined;
  /** Emits and resolves when each of these packets is settled on all its branches. */
  deliver(packets: Packet[], options?: EmitOptions): Promise<Settlement>;
  /**
   * Whether the window has room for this much right now, beside `reserved` bytes that have been
   * promised to others and not emitted. What is larger than the window wants it empty.
   */
  hasCredit(packets: number, bytes: number, reserved?: number): boolean;
  /**
   * Undefined when the window has room for this much, all partitions counted; else a promise to
   * wait for before anything is read that would only fill memory. It rejects as `emitBatch` does.
   */
  room(packets: number, bytes: number): Promise<void> | undefined;
  /** The position below which everything that was emitted is settled; null before there is one. */
  settled(partition?: string): Json | null;
  /** Resolves true when nothing of the partition is in flight, false after `ms` milliseconds. */
  drained(ms: number, partition?: string): Promise<boolean>;
  /** The partitions that have a checkpoint: what is not among them is new. */
  known(): readonly string[];
  /**
   * Where partitions begin of which nothing is stored, by their names: once it resolves they do not
   * begin elsewhere after any end of the process. Nothing of them may have been emitted by then.
   */
  begin(positions: Readonly<Record<string, Position>>): Promise<void>;
  /** The source moved on without packets: advances the checkpoint once nothing is in flight. */
  idle(position: Position, options?: EmitOptions): void;
  /** Writes a gap down, durably, before it returns. Throws when it cannot be written. */
  gap(report: GapReport, options?: EmitOptions): Promise<void>;
  /**
   * Keeps a packet in the dead letters in place of emitting it, durably, before it returns: one
   * that only says where something is that cannot be read. Throws when it cannot be written.
   */
  deadLetter(packet: Packet, error: DbusError, options?: EmitOptions): void;
  /** How far behind the source reading is; undefined where it is not known. */
  reportLag(lag: Lag): void;
  /** A state that people should see, e.g. `reconnecting: connection refused`; null clears it. */
  reportState(state: string | null): void;
  /** The source asks to be left alone for so long, as a quota does: that is no failure. */
  reportThrottle(ms: number): void;
};

export type FilterContext = Common & {
  /** The entry's `ident`: what it emits under unless it has better ones. */
  readonly ident: string;
  /**
   * What a TypeScript file exports that the config names, from the config's folder or below it.
   * Rejects with `PLUGIN_LOAD`.
   */
  load(path: string): Promise<Readonly<Record<string, unknown>>>;
};

/** A partition of an input, by the names that its checkpoint has. */
export type SourcePartition = {
  readonly input: string;
  readonly resource: string;
  readonly partition: string;
  /**
   * The version of the assignment under which it is read: a greater one has the right. Undefined in
   * a single process.
   */
  readonly fence?: number | undefined;
};

/** Packets `[from, to)` of a batch, which came from one partition, in its order. */
export type SourceRange = SourcePartition & {
  readonly from: number;
  readonly to: number;
  /** Undefined where positions do not compare, as of packets that an operator sends again. */
  readonly compare: ComparePositions | undefined;
  /** Where the source had the packet at that place of the batch, whatever filters made of it. */
  positionAt(index: number): Position;
};

export type OutputContext = Common & {
  /** Where the packets of the batch at hand came from. Only while its `write` lasts. */
  sources(): readonly SourceRange[];
  /**
   * Under which version of its assignment the resource is read that the packet at `index` of the
   * batch at hand came from: a greater one has the right. Undefined in a single process. Only
   * while its `write` lasts.
   */
  fenceAt(index: number): number | undefined;
  /** A state that people should see, e.g. `waiting for broker`; null clears it. */
  reportState(state: string | null): void;
  /** So many packets of this write are done without being written, on purpose. */
  reportLeftOut(packets: number): void;
  /** The sink asks to be left alone for so long, as a quota does: that is no failure. */
  reportThrottle(ms: number): void;
};
