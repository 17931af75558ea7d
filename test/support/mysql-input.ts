import type { RowChange, Value } from "#plugin";
import { mysqlbinlogInput } from "#plugins/input/mysqlbinlog/mysqlbinlog-input.ts";
import type { Clock } from "#src/clock.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";
import type { Json } from "#src/flow/position.ts";
import type { Log } from "#src/log.ts";
import type { MysqlAddress } from "../services/index.ts";
import { type FakeInput, fakeInputContext } from "./fake-context.ts";
import { waitFor } from "./wait-for.ts";

export type RunningInput = FakeInput & {
  /** How the run ended; undefined while it reads. */
  readonly ended: { readonly error: DbusError | undefined } | undefined;
  readonly warnings: string[];
  rows(): RowChange[];
  /** Waits until so many rows have come, and gives them all. */
  rowsReach(count: number): Promise<RowChange[]>;
  /** Waits until the server has agreed to stream. */
  streaming(): Promise<void>;
  /** Waits for the run to end by itself, and gives its error. */
  fails(): Promise<DbusError>;
  stop(): Promise<void>;
};

export type InputOptions = {
  readonly resume?: Json | undefined;
  readonly credit?: number;
  readonly stateDir?: string;
  readonly clock?: Clock;
  readonly readerId?: number;
};

/** Runs a MysqlbinlogInput against a server, with a bus that keeps everything. */
export async function runInput(
  at: Pick<MysqlAddress, "host" | "port">,
  config: Readonly<Record<string, unknown>> = {},
  options: InputOptions = {},
): Promise<RunningInput> {
  const { host, port } = at;
  const account = "dsn" in config ? {} : { host, port, user: "root" };
  const parsed = mysqlbinlogInput.configSchema.parse({
    ...account,
    ...{ start: "latest", heartbeatMs: 500 },
    ...config,
  });
  const warnings: string[] = [];
  const fake = fakeInputContext({
    ...{ name: "in", ident: "shop", log: warningsInto(warnings) },
    stateDir: options.stateDir ?? "",
    readerId: options.readerId,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.resume === undefined ? {} : { resume: { "0": options.resume } }),
    ...(options.credit === undefined ? {} : { credit: options.credit }),
  });
  const opened = await mysqlbinlogInput.open(fake.context, parsed);
  let ended: RunningInput["ended"];
  const end = (error: DbusError | undefined) => {
    ended = { error };
  };
  const run = mysqlbinlogInput.run(opened, fake.context);
  const done = run.then(
    () => end(undefined),
    (thrown) => end(toDbusError(thrown)),
  );
  const rows = () => fake.packets.map((packet) => packet.payload as RowChange);
  const alive = () => {
    if (ended?.error) throw ended.error;
  };
  const more = {
    get ended() {
      return ended;
    },
    warnings,
    rows,
    async rowsReach(count: number) {
      await waitFor(() => fake.packets.length >= count || ended !== undefined, {
        what: `${count} rows`,
        timeoutMs: 20_000,
      });
      alive();
      return rows();
    },
    async streaming() {
      await waitFor(() => fake.states.includes(null) || ended, { what: "the stream to begin" });
      alive();
    },
    async fails() {
      await waitFor(() => ended, { what: "the input to end", timeoutMs: 30_000 });
      if (!ended?.error) throw new Error("the input ended without an error");
      return ended.error;
    },
    async stop() {
      fake.abort();
      await done;
    },
  };
  // The fake's own getters go on speaking for themselves.
  return Object.setPrototypeOf(more, fake) as RunningInput;
}

function warningsInto(warnings: string[]): Log {
  const log: Log = {
    debug() {},
    info() {},
    warn: (message) => void warnings.push(message),
    error: (message) => void warnings.push(message),
    with: () => log,
  };
  return log;
}

/** `op` and the row that it left, or took away. */
export function shortOf(row: RowChange): [string, ...Value[]] {
  return [row.op, ...(row.after ?? row.before ?? [])];
}

export function positionsOf(input: FakeInput): Json[] {
  return input.packets.map(({ position }) => JSON.parse(JSON.stringify(position)) as Json);
}
