import type { ZodType } from "zod";
import type { Packet } from "../flow/packet.ts";
import type { ComparePositions, Json } from "../flow/position.ts";
import type {
  CheckContext,
  FilterContext,
  InputContext,
  OutputContext,
  SourcePartition,
} from "./context.ts";
import type { Resource } from "./resource.ts";

/** What a plugin may hold in memory beside the packets that are in the bus, in bytes. */
export type PluginMemory = {
  /** Its buffers; of an input also what it has read and not handed over. */
  readonly buffers?: number;
  /** Of an input: the largest packet that it may emit, as it is charged, where that can be large. */
  readonly packetBytesMax?: number;
  /** Of an output: how often a batch is in memory while it is written, its packets not counted. */
  readonly copies?: number;
};

/** What may be in flight of one partition. */
type Window = { readonly packets: number; readonly bytes: number };

export type InputDefinition<C, S> = {
  /** As configs name it, e.g. `MysqlbinlogInput`. */
  readonly name: string;
  readonly summary: string;
  /** Strict, with `describe` on every field. Common fields (name, plugin, ident) are not in it. */
  readonly configSchema: ZodType<C>;
  /** The idents it may emit, `*` allowed; the default is the entry's own `ident`. */
  readonly idents?: (config: C, ident: string) => readonly string[];
  /** One of these for each `open`; the default is one resource named after the entry. */
  readonly resources?: (config: C) => readonly Resource[];
  /**
   * Each participant of a cluster reads its own, like what listens on a port: it is nobody's to give.
   */
  readonly everywhere?: boolean;
  /** Whether partitions of this config may move to other processes, by other means than our cluster. */
  readonly shared?: (config: C) => boolean;
  /** What this config gives up of safety: warned of at each start, and shown in the status. */
  readonly insecure?: (config: C) => readonly string[];
  /** Checks a position that was stored, or typed by a person. */
  readonly positionSchema?: ZodType;
  /**
   * How its positions compare, where each partition is emitted in their order, the same each time
   * it is read, and by nobody else at the same time. Undefined where any of that is not so.
   */
  readonly order?: (config: C) => ComparePositions | undefined;
  /** What it needs beside the packets in flight, for the bound that `dbusd --check` shows. */
  memory?(config: C, window: Window): PluginMemory;
  /** Asks its server, as `dbusd --check` has it, and changes nothing there. */
  check?(context: CheckContext, config: C): Promise<void>;
  /** Throws a `DbusError`: kind `retry` is tried again with backoff, `fatal` stops this input. */
  open(context: InputContext, config: C): Promise<S> | S;
  /**
   * Reads and emits until the source ends (resolves: the input is finished), fails (throws), or
   * `context.signal` aborts (resolves soon).
   */
  run(state: S, context: InputContext): Promise<void>;
  close?(state: S): Promise<void> | void;
};

/**
 * null drops the packet on purpose; several are a fork; a generator is pulled under credit. An
 * array of more than 10,000 packets, or of more than 32 MiB, is refused (FILTER_TOO_MANY).
 */
export type Applied = Packet | readonly Packet[] | Iterable<Packet> | null;

/**
 * Of a filter that makes few packets of many: it gathers what it is given and gives what became of
 * it, at the latest after `flushMs`. The packets are settled only when that was, so a crash loses
 * nothing of it. It is asked earlier when half of what may be in flight was gathered: what it gives
 * is never more than a part, and whoever reads it adds the parts up.
 */
export type Gather<C, S, G> = {
  /** For how long packets may be held back, in milliseconds. */
  flushMs(config: C): number;
  /** Nothing yet. Each partition of each input is gathered by itself. */
  begin(state: S): G;
  /** Throwing sends the packet to the dead letters with the error as its reason. */
  add(gathered: G, packet: Packet, state: S): void;
  /** What became of it; `first` is the oldest packet in it, whose position they have. */
  end(gathered: G, first: Packet, state: S): Iterable<Packet>;
};

export type FilterDefinition<C, S> = {
  readonly name: string;
  readonly summary: string;
  readonly configSchema: ZodType<C>;
  /** The idents it may emit, `*` allowed; the default is the entry's own `ident`. */
  readonly idents?: (config: C, ident: string) => readonly string[];
  /** What it needs beside the packets in flight, for the bound that `dbusd --check` shows. */
  memory?(config: C, window: Window): PluginMemory;
  open(context: FilterContext, config: C): Promise<S> | S;
  /** Throwing sends the packet to the dead letters with the error as its reason. */
  apply(state: S, packet: Packet, context: FilterContext): Applied | Promise<Applied>;
  /** Files beside the configuration that it loads by `context.load`: a reload takes changed ones. */
  readonly files?: (config: C) => readonly string[];
  /** Whether it never makes more than one packet of one, under this config. */
  readonly single?: (config: C) => boolean;
  /** Where this filter's own defaults differ: 0 for one whose purpose is to wait. */
  readonly defaults?: { readonly timeoutMs?: number };
  /** Of a filter that makes few packets of many; then `apply` is for one packet alone. */
  readonly gather?: Gather<C, S, unknown>;
  close?(state: S): Promise<void> | void;
};

/** What became of one packet: written, to be tried again after a while, or refused for good. */
export type Verdict =
  | "done"
  | { readonly retryAfterMs: number; readonly error: Error }
  | { readonly failed: Error };

export type BatchPolicy = {
  readonly countMax: number;
  readonly bytesMax: number;
  /** How long the first packet of a batch may wait for others; 0 sends what there is. */
  readonly lingerMs: number;
};

export type RetryPolicy = {
  /** So many retries `delayMs` apart, then exponential backoff up to `delayMsMax`, for ever. */
  readonly times: number;
  readonly delayMs: number;
  readonly delayMsMax: number;
};

/**
 * Whether a sink refuses by itself what comes from a process that has lost its right: then it is
 * written to also while that is in doubt.
 */
export type SinkFences = { readonly sinkFences?: boolean };

/** What `open` gives may say whether the sink fences in place of the definition. */
export type OutputDefinition<C, S> = SinkFences & {
  readonly name: string;
  readonly summary: string;
  readonly configSchema: ZodType<C>;
  /** Where this output's own defaults differ from the bus's. */
  readonly defaults?: {
    readonly batch?: Partial<BatchPolicy>;
    readonly retry?: Partial<RetryPolicy>;
    /** 0 where the sink may keep its writer waiting for as long as it likes, like a pipe. */
    readonly timeoutMs?: number;
  };
  /** What it needs beside the packets in flight, for the bound that `dbusd --check` shows. */
  memory?(config: C, window: Window): PluginMemory;
  /** What this config gives up of safety: warned of at each start, and shown in the status. */
  readonly insecure?: (config: C) => readonly string[];
  /**
   * Whether the sink keeps, with what is written, how far that is, so that what is read again is
   * left out: every packet must then come by one way and from an input whose positions compare.
   */
  readonly exactlyOnce?: (config: C) => boolean;
  /** Asks its server, as `dbusd --check` has it, and changes nothing there. */
  check?(context: CheckContext, config: C): Promise<void>;
  open(context: OutputContext, config: C): Promise<S> | S;
  /**
   * Of a sink that keeps positions: forgets, durably, the one of a partition of which nothing is in
   * flight. It may be called while another partition is written.
   */
  forget?(state: S, source: SourcePartition): Promise<void>;
  /**
   * Writes a batch; the packets of one key stand in order of their positions, and a batch is not
   * called before the one before it is settled. Undefined says that every packet is done, else
   * there is one verdict for each packet, in the same order. A packet with a retry verdict is
   * given again before anything newer: whoever lets one packet of a key wait answers a retry for
   * those of the same key behind it too. Throwing a `DbusError` of kind `retry` retries them all;
   * any other throw is a crash of the output, which is opened again.
   */
  write(
    state: S,
    packets: readonly Packet[],
    context: OutputContext,
  ): Promise<readonly Verdict[] | undefined> | readonly Verdict[] | undefined;
  close?(state: S): Promise<void> | void;
};

export type InputPlugin = InputDefinition<unknown, unknown> & { readonly kind: "input" };
export type FilterPlugin = FilterDefinition<unknown, unknown> & { readonly kind: "filter" };
export type OutputPlugin = OutputDefinition<unknown, unknown> & { readonly kind: "output" };
export type Plugin = InputPlugin | FilterPlugin | OutputPlugin;

export function defineInput<C, S>(definition: InputDefinition<C, S>): InputPlugin {
  return { ...definition, kind: "input" } as unknown as InputPlugin;
}

export function defineFilter<C, S>(definition: FilterDefinition<C, S>): FilterPlugin {
  return { ...definition, kind: "filter" } as unknown as FilterPlugin;
}

export function defineOutput<C, S>(definition: OutputDefinition<C, S>): OutputPlugin {
  return { ...definition, kind: "output" } as unknown as OutputPlugin;
}

/** A packet that failed for good, as an output or filter hands it over. */
export type Rejection = { readonly packet: Packet; readonly error: Error };

export type { Json };
