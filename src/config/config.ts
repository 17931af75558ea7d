import type { z } from "zod";
import type { Place } from "../errors.ts";
import type { ServerTls } from "../http/server-tls.ts";
import type {
  BatchPolicy,
  FilterPlugin,
  InputPlugin,
  OutputPlugin,
  RetryPolicy,
} from "../plugin/define.ts";
import type { clusterSchema } from "./cluster-schema.ts";

type Entry<P> = {
  readonly name: string;
  readonly plugin: P;
  /** Checked and defaulted by the plugin's own schema; secrets substituted. */
  readonly config: unknown;
  /** The same for showing: as written, references unexpanded, secrets redacted. */
  readonly shown: unknown;
  readonly place: Place;
  /** How long a call of the plugin may take before its actor is started again; 0 for ever. */
  readonly timeoutMs: number;
};

export type InputEntry = Entry<InputPlugin> & {
  readonly ident: string;
  /** Every ident it may emit, `*` allowed. */
  readonly idents: readonly string[];
  readonly paused: boolean;
  /** Of each of its resources, where several processes share them. */
  readonly cost: number;
  readonly group?: string | undefined;
  readonly tags: readonly string[];
  readonly tenant?: string | undefined;
};

export type FilterEntry = Entry<FilterPlugin> & {
  readonly ident: string;
  readonly idents: readonly string[];
  readonly match: readonly string[];
  /** What becomes of a packet that it fails on. */
  readonly onFailed: "deadletter" | "block";
  /** The content of the files that it loads, by their names: see `contentOf`. */
  readonly contents?: Readonly<Record<string, string | undefined>>;
};

export type OutputEntry = Entry<OutputPlugin> & {
  readonly match: readonly string[];
  readonly batch: BatchPolicy;
  readonly retry: RetryPolicy;
  /** What becomes of a packet that the sink refuses for good. */
  readonly onFailed: "deadletter" | "block";
  readonly buffer: BufferConfig;
};

/** Where packets wait that the output cannot take: unsettled in memory, or settled on disk. */
export type BufferConfig = {
  readonly kind: "memory" | "disk";
  /** In memory for each input partition, 0 for `bus.edge.bytes`; on disk in all. */
  readonly bytesMax: number;
};

export type BusConfig = {
  /** In flight per input partition, from emit to settled. */
  readonly window: { readonly packets: number; readonly bytes: number };
  /** Credit of each edge, per input partition. */
  readonly edge: { readonly packets: number; readonly bytes: number };
  readonly onUnrouted: "drop" | "fail";
  readonly checkpointIntervalMs: number;
  /** How long a stop waits for what is in flight. */
  readonly stopDeadlineMs: number;
  /** A packet that holds up a checkpoint for so long raises an alarm. */
  readonly stuckHeadMs: number;
  /** Whether a thread of its own watches the event loop. */
  readonly watchdog: boolean;
  /** An event loop that stands still for longer ends the process; 0 never. */
  readonly stallMsMax: number;
  /** How many crashes of the actors of a group, and within how long, its supervisor bears. */
  readonly restarts: { readonly intensity: number; readonly periodMs: number };
  /** What happens when every input has come to its end. */
  readonly onFinished: "stay" | "exit";
};

export type AdminConfig = {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  /** Bearer token of the role admin; it or one of `tokens` is required beyond loopback. */
  readonly token: string | undefined;
  readonly tokens: readonly AdminToken[];
  readonly tls: ServerTls | undefined;
  /** Listens beyond loopback without TLS, because something in front of it ends TLS. */
  readonly insecure: boolean;
};

/** One of `token` and `tokenFile` is there; the file is an absolute path. */
export type AdminToken = {
  readonly name: string;
  readonly role: "read" | "operate" | "admin";
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
};

/** How this process shares the work with others; its schema says what each field is. */
export type ClusterConfig = NonNullable<z.output<typeof clusterSchema>>;

/** A configuration that was checked whole: names, matches, plugin fields, secrets. */
export type Config = {
  readonly file: string;
  readonly bus: BusConfig;
  readonly state: { readonly dir: string };
  readonly admin: AdminConfig;
  readonly log: {
    readonly level: "debug" | "info" | "warn" | "error";
    /** `auto` is pretty on a terminal and JSON lines elsewhere. */
    readonly format: "auto" | "pretty" | "json";
  };
  /** undefined where this process is alone. */
  readonly cluster?: ClusterConfig | undefined;
  readonly inputs: readonly InputEntry[];
  readonly filters: readonly FilterEntry[];
  readonly outputs: readonly OutputEntry[];
  /** The whole file for showing, secrets redacted. */
  readonly shown: unknown;
};
