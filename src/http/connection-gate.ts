import type { Socket } from "bun";
import { type Clock, systemClock, type Timer } from "../clock.ts";
import type { Log } from "../log.ts";
import { clientKey } from "./client-key.ts";
import { createHeadScanner, type HeadScanner } from "./head-scanner.ts";
import { discard, drained, finish, forward, keep, type PipeEnd, pipeEnd } from "./pipe.ts";
import type { ServerTls } from "./server-tls.ts";

/*
 * Bun's HTTP server takes every connection that comes, and keeps it. This stands in front of it:
 * it accepts, counts in total and by client, and hands a connection on to a server behind it, on a
 * socket that nobody else can reach, once it has brought the whole head of a request. At a limit, a
 * connection without a request makes room: first the oldest of those that never had one, then of
 * those that had. Where all of them have a request, whoever brings one more is turned away.
 */

export type GateOptions = {
  readonly host: string;
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  readonly connectionsMax: number;
  readonly clientConnectionsMax: number;
  /** How long the head of a first or a begun request may take. */
  readonly headMs: number;
  /** How long it is kept after its last answer. */
  readonly idleMs: number;
  /** The whole answer, in bytes of HTTP, for those who are turned away. */
  readonly refusal: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** The path of the socket where the server for this client listens. */
  enter(client: string): string;
  /** The last connection of a client is gone. */
  left(client: string): void;
};

export type Gate = {
  readonly port: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Takes no more connections; those that are there stay. */
  close(): void;
  /** Ends those too. */
  end(): void;
};

type Connection = PipeEnd & {
  readonly client: string;
  readonly head: HeadScanner;
  /** What becomes the other end, with what came before there was anybody to hand it to. */
  readonly ahead: PipeEnd;
  aheadBytes: number;
  /** When it is closed unless it does something before; undefined while it has a request. */
  deadline: number | undefined;
  /** Whether a part of a head has come. */
  begun: boolean;
  /** Whether the client has said that it sends no more; it may still want the answer. */
  silent: boolean;
};

type Outer = Socket<Connection>;

const lingering = 64;
const tickMs = 1000;
const tellMs = 60_000;
/** A head that is larger is handed on as it is: the server has an answer for it. */
const headBytesMax = 16 * 1024;
/**
 * So many more than the limit are held for a moment: those that come at once with others are
 * accepted before anything that they have sent is read, and who sends something shall be served.
 */
const burst = 512;
const burstMs = 1000;

/** Listens. Throws what the runtime throws when it cannot. */
export function openGate(options: GateOptions): Gate {
  const { clock = systemClock, log, host } = options;
  const all = new Map<string, Set<Outer>>();
  /** Those that never had a whole request, and those that have none now, the longest first. */
  const fresh = new Set<Outer>();
  const idle = new Set<Outer>();
  /** Turned away, until they have read why. */
  const refused = new Set<Outer>();
  let open = 0;
  let turnedAway = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  let timer: Timer | undefined;
  let trimming: Timer | undefined;

  /** Closes what takes too long; runs while there is anything to look at. */
  function tick(): void {
    const now = clock.now();
    for (const socket of [...fresh, ...idle, ...refused]) {
      if ((socket.data.deadline ?? now + 1) <= now) socket.terminate();
    }
    tell();
    timer = open + refused.size > 0 ? clock.after(tickMs, tick) : undefined;
  }

  function tell(): void {
    if (turnedAway === 0 || clock.now() - toldAt < tellMs) return;
    toldAt = clock.now();
    log.warn("connections were turned away or gave room to others", { count: turnedAway, open });
    turnedAway = 0;
  }

  const ownOf = (client: string): ReadonlySet<Outer> => all.get(client) ?? new Set();

  /** Lets connections without a request go until the limits hold; false where there is none. */
  function makeRoom(client: string, more = 0): boolean {
    for (;;) {
      const own = ownOf(client);
      const crowded = own.size > options.clientConnectionsMax + more;
      if (!crowded && open <= options.connectionsMax + more) return true;
      const victim = crowded
        ? (first(own, fresh) ?? first(own, idle))
        : (first(fresh) ?? first(idle));
      if (victim === undefined) return false;
      turnAway(victim);
    }
  }

  function trim(): void {
    trimming = undefined;
    for (const client of [...all.keys()]) makeRoom(client);
  }

  function leave(socket: Outer): void {
    fresh.delete(socket);
    idle.delete(socket);
    const { client } = socket.data;
    const own = all.get(client);
    if (!own?.delete(socket)) return;
    open--;
    if (own.size > 0) return;
    all.delete(client);
    options.left(client);
  }

  function turnAway(socket: Outer): void {
    turnedAway++;
    const began = socket.data.peer !== undefined;
    leave(socket);
    if (options.tls || began || refused.size >= lingering) return void socket.terminate();
    refused.add(socket);
    socket.data.deadline = clock.now() + tickMs;
    socket.write(options.refusal);
    socket.shutdown();
  }

  const inner = {
    data(socket: Socket<PipeEnd>, piece: Buffer) {
      const outer = socket.data.peer as Outer | undefined;
      if (!outer) return;
      // Something is answered: what comes next from there begins a request.
      outer.data.head.reset();
      outer.data.begun = false;
      outer.data.deadline = clock.now() + options.idleMs;
      idle.delete(outer);
      idle.add(outer);
      forward(socket, outer, piece);
    },
    drain: drained,
    close: answered,
    error: answered,
  };

  /** The server behind is done with it. */
  function answered(socket: Socket<PipeEnd>): void {
    discard(socket.data);
    const outer = socket.data.peer as Outer | undefined;
    if (outer === undefined || outer.readyState <= 0) return;
    outer.data.deadline = clock.now() + options.idleMs;
    idle.add(outer);
    finish(outer, "end");
  }

  async function connect(socket: Outer): Promise<void> {
    const { ahead, client } = socket.data;
    socket.pause();
    try {
      const unix = options.enter(client);
      const peer = await Bun.connect<PipeEnd>({ unix, socket: inner, data: ahead });
      if (socket.readyState <= 0) return void peer.end();
      socket.data.peer = peer;
      ahead.peer = socket;
      if (socket.data.silent) ahead.afterwards = "shutdown";
      drained(peer);
    } catch (error) {
      log.error("a connection could not be handed on", { error });
      socket.terminate();
    }
  }

  function pass(socket: Outer, peer: Socket<PipeEnd>, piece: Buffer): void {
    if (socket.data.head.complete(piece)) hasRequest(socket);
    else begin(socket);
    forward(socket, peer, piece);
  }

  function hasRequest(socket: Outer): void {
    fresh.delete(socket);
    idle.delete(socket);
    socket.data.deadline = undefined;
  }

  function begin(socket: Outer): void {
    if (socket.data.begun) return;
    socket.data.begun = true;
    socket.data.deadline = clock.now() + options.headMs;
  }

  /** The head of the first request: nobody behind knows of this connection until it is whole. */
  function firstHead(socket: Outer, piece: Buffer): void {
    const { data } = socket;
    keep(data.ahead, piece);
    data.aheadBytes += piece.byteLength;
    if (!fresh.has(socket)) return;
    const whole = data.head.complete(piece) || data.aheadBytes > headBytesMax;
    if (!whole) {
      begin(socket);
      return;
    }
    hasRequest(socket);
    if (makeRoom(data.client)) void connect(socket);
    else turnAway(socket);
  }

  const listener = Bun.listen<Connection>({
    hostname: host,
    port: options.port,
    allowHalfOpen: true,
    ...(options.tls ? { tls: { cert: options.tls.cert, key: options.tls.key } } : {}),
    socket: {
      open(socket) {
        const client = clientKey(socket.remoteAddress);
        socket.data = {
          ...pipeEnd(),
          ...{ client, head: createHeadScanner(), ahead: pipeEnd(), aheadBytes: 0 },
          ...{ deadline: clock.now() + options.headMs, begun: false, silent: false },
        };
        timer ??= clock.after(tickMs, tick);
        all.set(client, (all.get(client) ?? new Set()).add(socket));
        fresh.add(socket);
        open++;
        makeRoom(client, burst);
        const size = ownOf(client).size;
        const crowded = size > options.clientConnectionsMax || open > options.connectionsMax;
        if (crowded) trimming ??= clock.after(burstMs, trim);
      },
      // Without this, TLS connections would be told of, and counted, only after the handshake.
      handshake() {},
      data(socket, piece) {
        if (refused.has(socket)) return;
        const { peer } = socket.data;
        if (peer) pass(socket, peer, piece);
        else firstHead(socket, piece);
      },
      drain: (socket) => drained(socket),
      end(socket) {
        const { peer } = socket.data;
        socket.data.silent = true;
        if (peer) finish(peer, "shutdown");
        else if (fresh.has(socket) || refused.has(socket)) socket.terminate();
      },
      close(socket) {
        refused.delete(socket);
        leave(socket);
        discard(socket.data);
        if (socket.data.peer) finish(socket.data.peer, "end");
        else discard(socket.data.ahead);
      },
      error(socket) {
        socket.terminate();
      },
    },
  });
  return {
    port: listener.port,
    get open() {
      return open;
    },
    close: () => listener.stop(false),
    end() {
      listener.stop(true);
      timer?.cancel();
      trimming?.cancel();
    },
  };
}

/** The first of the one set that is in the other as well. */
function first(some: ReadonlySet<Outer>, also = some): Outer | undefined {
  for (const socket of some) if (also.has(socket)) return socket;
  return undefined;
}
