import { type Clock, systemClock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Json, Position } from "#src/flow/position.ts";
import { type Log, silentLog } from "#src/log.ts";
import type {
  FilterContext,
  GapReport,
  InputContext,
  Lag,
  OutputContext,
  Settlement,
} from "#src/plugin/context.ts";
import { loadModule } from "#src/plugin/registry.ts";

type CommonOptions = {
  readonly name?: string;
  readonly ident?: string;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly stateDir?: string;
  readonly configFile?: string;
};

export type FakeInputOptions = CommonOptions & {
  /** What a cluster has its reader be known by. */
  readonly readerId?: number | undefined;
  readonly resource?: { readonly id: string; readonly label: string };
  /** What `resume` answers, by partition. */
  readonly resume?: Readonly<Record<string, Json>>;
  /** Packets that may be emitted before the input has to wait; without it there is no limit. */
  readonly credit?: number;
  /** Whether `deliver` waits for `settle`, instead of being delivered at once. */
  readonly holdDeliveries?: boolean;
};

/** A bus for one input: collects what it emits, and can withhold credit, settle and abort. */
export type FakeInput = {
  readonly context: InputContext;
  /** Everything that was emitted, in order, and the partition of each. */
  readonly packets: Packet[];
  readonly partitions: string[];
  readonly gaps: GapReport[];
  /** What it could not read and passed over. */
  readonly deadLetters: readonly { readonly packet: Packet; readonly error: DbusError }[];
  readonly idles: Position[];
  readonly states: (string | null)[];
  readonly lags: Lag[];
  /** Packets given to `deliver` that are not settled yet. */
  readonly pendingDeliveries: number;
  /** Packets that were emitted although an earlier promise was still pending: must stay 0. */
  readonly overruns: number;
  /** Lets so many more packets through. */
  grant(packets: number): void;
  /** From now on the input has to wait. */
  withhold(): void;
  /** Ends every `deliver` that waits. */
  settle(how?: Settlement): void;
  /** Tells the input to come to an end, as a stop does: what waits is rejected. */
  abort(): void;
};

type Waiting = { readonly resolve: () => void; readonly reject: (error: DbusError) => void };
type Delivery = {
  readonly count: number;
  readonly resolve: (how: Settlement) => void;
  readonly reject: (error: DbusError) => void;
};

const stopped = () => new DbusError("ACTOR_UNAVAILABLE", "the input was told to stop");

export function fakeInputContext(options: FakeInputOptions = {}): FakeInput {
  const controller = new AbortController();
  const packets: Packet[] = [];
  const partitions: string[] = [];
  const gaps: GapReport[] = [];
  const deadLetters: FakeInput["deadLetters"][number][] = [];
  const idles: Position[] = [];
  const states: (string | null)[] = [];
  const lags: Lag[] = [];
  let waiting: Waiting[] = [];
  let deliveries: Delivery[] = [];
  let credit = options.credit ?? Number.POSITIVE_INFINITY;
  let overruns = 0;
  /** Everything counts as settled once it was emitted. */
  const settled = new Map<string, Json>();

  function take(batch: readonly Packet[], partition: string): Promise<void> | undefined {
    if (controller.signal.aborted) return Promise.reject(stopped());
    if (waiting.length > 0) overruns += batch.length;
    for (const packet of batch) {
      packets.push(packet);
      partitions.push(partition);
      mark(partition, packet.position);
    }
    credit -= batch.length;
    if (credit > 0) return undefined;
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  }

  function mark(partition: string, position: Position): void {
    settled.set(partition, JSON.parse(JSON.stringify(position)));
  }

  const name = options.name ?? "fake";
  const context: InputContext = {
    ...common(options, controller.signal),
    ident: options.ident ?? name,
    resource: options.resource ?? { id: name, label: name },
    readerId: options.readerId,
    resume: (partition = "0") => options.resume?.[partition] ?? null,
    emitBatch: (batch, more) => take(batch, more?.partition ?? "0"),
    emit: (packet, more) => take([packet], more?.partition ?? "0"),
    deliver(batch, more) {
      const wait = take(batch, more?.partition ?? "0");
      wait?.catch(() => {});
      if (controller.signal.aborted) return Promise.reject(stopped());
      if (!options.holdDeliveries) return Promise.resolve("delivered");
      return new Promise((resolve, reject) => {
        deliveries.push({ count: batch.length, resolve, reject });
      });
    },
    hasCredit: (count) => credit >= count,
    room(count) {
      if (controller.signal.aborted) return Promise.reject(stopped());
      if (credit > 0 || credit >= count) return undefined;
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    settled: (partition = "0") => settled.get(partition) ?? null,
    drained: async () => true,
    known: () => Object.keys(options.resume ?? {}),
    async begin(positions) {
      for (const [partition, position] of Object.entries(positions)) {
        idles.push(position);
        mark(partition, position);
      }
    },
    idle(position, more) {
      idles.push(position);
      mark(more?.partition ?? "0", position);
    },
    async gap(report) {
      gaps.push(report);
    },
    deadLetter: (packet, error) => void deadLetters.push({ packet, error }),
    reportLag: (lag) => void lags.push(lag),
    reportState: (state) => void states.push(state),
    reportThrottle() {},
  };

  return {
    context,
    packets,
    partitions,
    gaps,
    deadLetters,
    idles,
    states,
    lags,
    get pendingDeliveries() {
      return deliveries.reduce((sum, { count }) => sum + count, 0);
    },
    get overruns() {
      return overruns;
    },
    grant(count) {
      credit = Math.max(0, credit) + count;
      const ready = waiting;
      waiting = [];
      for (const { resolve } of ready) resolve();
    },
    withhold() {
      credit = 0;
    },
    settle(how = "delivered") {
      const settled = deliveries;
      deliveries = [];
      for (const { resolve } of settled) resolve(how);
    },
    abort() {
      controller.abort();
      for (const { reject } of [...waiting, ...deliveries]) reject(stopped());
      waiting = [];
      deliveries = [];
    },
  };
}

export type FakeFilter = { readonly context: FilterContext; abort(): void };

export function fakeFilterContext(options: CommonOptions = {}): FakeFilter {
  const controller = new AbortController();
  const ident = options.ident ?? options.name ?? "fake";
  const load = (path: string) => loadModule(path, options.configFile ?? "test.yaml");
  const context = { ...common(options, controller.signal), ident, load };
  return { context, abort: () => controller.abort() };
}

export type FakeOutput = {
  readonly context: OutputContext;
  readonly states: (string | null)[];
  abort(): void;
};

export function fakeOutputContext(options: CommonOptions = {}): FakeOutput {
  const controller = new AbortController();
  const states: (string | null)[] = [];
  const reportState = (state: string | null) => void states.push(state);
  const context = {
    ...common(options, controller.signal),
    ...{ reportState, fenceAt: () => undefined, reportThrottle() {}, reportLeftOut() {} },
    sources: () => [],
  };
  return { context, states, abort: () => controller.abort() };
}

function common(options: CommonOptions, signal: AbortSignal) {
  const { name = "fake", clock = systemClock, log = silentLog, stateDir = "" } = options;
  return { name, clock, log, stateDir, signal };
}
