import type { MysqlService } from "../services/index.ts";
import type { FaultProxy } from "../support/fault-proxy.ts";
import { clientAt, streams } from "../support/mysql-client.ts";
import { waitFor } from "../support/wait-for.ts";
import type { DaemonKeeper } from "./daemon-keeper.ts";
import { type Fault, faultText, type PlannedFault, type Side } from "./round-plan.ts";
import type { Stage } from "./stage.ts";

/** The faults of a round as they come and go. */
export type FaultSchedule = {
  /** Whether any of them is there now. */
  readonly active: number;
  /** Ends what is left of them, and resolves when all have ended. */
  cease(): Promise<void>;
};

type Ended = () => Promise<void> | void;

/** Lets each fault come at its moment, counted from now. */
export function scheduleFaults(stage: Stage, faults: readonly PlannedFault[]): FaultSchedule {
  const began = performance.now();
  const ceased = Promise.withResolvers<void>();
  const locks = new Map<string, Promise<void>>();
  let over = false;
  let active = 0;

  /** Resolves then, or when it is over. */
  const until = async (ms: number) => {
    const left = began + ms - performance.now();
    if (left > 0) await Promise.race([Bun.sleep(left), ceased.promise]);
  };

  async function run(fault: PlannedFault): Promise<void> {
    await until(fault.atMs);
    if (over) return;
    active++;
    try {
      stage.journal.note(`begins: ${faultText(fault)}`);
      const end = await begin(stage, fault, { others: () => active > 1, over: ceased.promise });
      await until(performance.now() - began + fault.forMs);
      await end();
      stage.journal.note(`ended: ${faultText(fault)}`);
    } finally {
      active--;
    }
  }

  /** One process is killed, stopped or paused by one fault at a time. */
  function inTurn(fault: PlannedFault): Promise<void> {
    const lock = lockOf(fault);
    if (lock === undefined) return run(fault);
    const turn = (locks.get(lock) ?? Promise.resolve()).then(() => run(fault));
    locks.set(lock, turn);
    return turn;
  }

  const all = faults.map((fault) =>
    inTurn(fault).catch((error: unknown) => {
      stage.journal.problem(`${faultText(fault)} could not be made: ${error}`);
    }),
  );
  return {
    get active() {
      return active;
    },
    async cease() {
      over = true;
      ceased.resolve();
      await Promise.all(all);
    },
  };
}

function lockOf(fault: Fault): string | undefined {
  if ("which" in fault) return `dbusd ${fault.which ?? 0}`;
  if (fault.kind.startsWith("dbusd-")) return "dbusd 0";
  if (fault.kind === "server-kill" || fault.kind === "server-pause") return fault.side;
  // These ask MySQL, which must be there to answer.
  return fault.kind === "rotate" || fault.kind === "kill-streams" ? "mysql" : undefined;
}

type Around = {
  /** Whether another fault is there as well. */
  others(): boolean;
  /** Resolves when all faults are to cease. */
  readonly over: Promise<void>;
};

/** Makes a fault; what it gives back ends it. */
async function begin(stage: Stage, fault: Fault, { others, over }: Around): Promise<Ended> {
  const { disk } = stage;
  const daemon = stage.daemons["which" in fault ? (fault.which ?? 0) : 0];
  if (daemon === undefined) throw new Error("there are not so many dbusd");
  switch (fault.kind) {
    case "dbusd-kill":
      if (fault.ranMs !== undefined) await daemon.hasRun(fault.ranMs, over);
      await daemon.kill();
      return startAfter(daemon, fault.downMs);
    case "dbusd-term":
      await daemon.stop(() => !others());
      return startAfter(daemon, fault.downMs);
    case "dbusd-pause":
      daemon.pause();
      return () => daemon.goOn();
    case "server-kill":
    case "server-pause":
      return beginServer(stage, fault.kind, fault.side);
    case "rotate":
      await ask(stage, "FLUSH BINARY LOGS");
      return () => {};
    case "kill-streams":
      await endStreams(stage);
      return () => {};
    case "network": {
      const proxy = proxyOf(stage, fault.side);
      const { toxic, direction, cut } = fault;
      const added = proxy.add(toxic, direction === undefined ? {} : { direction });
      if (cut) proxy.cut();
      return () => added.remove();
    }
    case "wrong-byte":
      return beginWrongByte(stage, fault.afterBytes);
    case "wrong-record":
      return beginWrongRecord(stage, fault.side);
    case "full-disk": {
      const stalled = daemon.stall();
      disk?.fill();
      return () => {
        disk?.free();
        stalled();
      };
    }
  }
}

async function startAfter(daemon: DaemonKeeper, downMs: number): Promise<Ended> {
  await Bun.sleep(downMs);
  await daemon.start();
  return () => {};
}

function beginServer(stage: Stage, kind: "server-kill" | "server-pause", side: Side): Ended {
  const server = stage.servers[side];
  if (server === undefined) throw new Error(`this round has no ${side}`);
  if (kind === "server-pause") {
    server.kill("SIGSTOP");
    return () => server.kill("SIGCONT");
  }
  server.kill("SIGKILL");
  return () => server.restart();
}

export function proxyOf({ proxies }: Stage, side: Side): FaultProxy {
  const proxy = proxies[side];
  if (proxy === undefined) throw new Error(`this round has no ${side}`);
  return proxy;
}

/** Another connection than the stream's has passed less than that. */
const streamBytesMin = 30_000;

/** On the stream alone, and far from its beginning: answers to questions have no checksum. */
function beginWrongByte(stage: Stage, afterBytes: number): Ended {
  const { journal } = stage;
  const proxy = proxyOf(stage, "mysql");
  const [stream] = proxy
    .connections()
    .toSorted((a, b) => b.forwarded.downstream - a.forwarded.downstream);
  if (stream === undefined || stream.forwarded.downstream < streamBytesMin) {
    journal.note("no stream that has run for long: no wrong byte");
    return () => {};
  }
  const options = { direction: "downstream", connection: stream.number } as const;
  const toxic = proxy.add({ type: "corrupt_byte", afterBytes }, options);
  return () => {
    journal.note(`${toxic.acted} wrong bytes`);
    toxic.remove();
  };
}

/** Part of the padding of every record that is written, where it is not compressed. */
export const padding = "xxxxxxxxxxxx";

function beginWrongRecord(stage: Stage, side: "source" | "kafka"): Ended {
  const direction = side === "source" ? "downstream" : "upstream";
  const toxic = proxyOf(stage, side).add({ type: "corrupt_text", text: padding }, { direction });
  return () => {
    stage.journal.note(`${toxic.acted > 0 ? "a" : "no"} wrong byte in a record`);
    toxic.remove();
  };
}

function mysqlOf({ mysql }: Stage): MysqlService {
  if (mysql === undefined) throw new Error("this round has no MySQL");
  return mysql;
}

async function ask(stage: Stage, sql: string): Promise<void> {
  const root = await clientAt(mysqlOf(stage));
  await root.query(sql).finally(() => root.close());
}

async function endStreams(stage: Stage): Promise<void> {
  const root = await clientAt(mysqlOf(stage));
  try {
    // MySQL cannot list a statement with four-byte characters, which a writer may just be sending.
    const what = "the streams of MySQL";
    const threads = await waitFor(() => root.query(streams), { what });
    // One may have ended by itself meanwhile.
    for (const { id } of threads) await root.query(`KILL ${id}`).catch(() => {});
  } finally {
    root.close();
  }
}
