import type { Socket } from "node:net";
import { type Pipe, pipe } from "./pipe.ts";
import type { Conversation } from "./protocol.ts";
import type { Stage } from "./stage.ts";
import type { Direction, Toxic } from "./toxic.ts";

/** A client's connection and the one to the server that goes with it. */
export type Link = {
  /** Counted from 1, in the order in which they were accepted. */
  readonly number: number;
  /** Bytes that were passed on. */
  readonly forwarded: Readonly<Record<Direction, number>>;
  add(toxic: Toxic, stages: ReadonlyMap<Direction, Stage>, onAct: () => void): void;
  remove(toxic: Toxic): void;
  /** Ends both sides with RST, or as if they had been closed properly. */
  end(how: "reset" | "close"): void;
};

export type LinkOptions = {
  readonly number: number;
  readonly client: Socket;
  readonly server: Socket;
  readonly talk: Conversation;
  forwarded(direction: Direction, bytes: number): void;
  closed(link: Link): void;
};

type Attached = { readonly stages: ReadonlyMap<Direction, Stage>; undo(): void };

export function openLink({ number, client, server, talk, ...options }: LinkOptions): Link {
  const attached = new Map<Toxic, Attached>();
  const forwarded = { upstream: 0, downstream: 0 };
  let ended = false;
  const count = (direction: Direction) => (bytes: number) => {
    forwarded[direction] += bytes;
    options.forwarded(direction, bytes);
  };

  function end(how: "reset" | "close") {
    // A proper close waits for a reader that may never read, so a reset may still follow it.
    if (ended && how === "close") return;
    const undone = [...attached.values()];
    ended = true;
    attached.clear();
    for (const { undo } of undone) undo();
    for (const one of Object.values(pipes)) one.stop();
    for (const socket of [client, server]) endSocket(socket, how);
  }

  const pipes: Readonly<Record<Direction, Pipe>> = {
    upstream: pipe({
      ...{ from: client, to: server, end, forwarded: count("upstream") },
      arrived: (chunk) => talk.fromClient(chunk),
    }),
    downstream: pipe({
      ...{ from: server, to: client, end, forwarded: count("downstream") },
      arrived: (chunk) => talk.fromServer(chunk),
    }),
  };

  let open = 2;
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    // What an error says, the close that follows it says too.
    socket.on("error", () => {});
    socket.on("close", () => {
      open--;
      if (open > 0) return;
      end("close");
      options.closed(link);
    });
  }

  const link: Link = {
    number,
    forwarded,
    add(toxic, stages, onAct) {
      if (ended) return;
      attached.set(toxic, { stages, undo: () => {} });
      for (const [direction, stage] of stages) pipes[direction].add(stage);
      const undo = act(toxic, { client, server, pipes, end, onAct });
      if (!ended) attached.set(toxic, { stages, undo });
    },
    remove(toxic) {
      const one = attached.get(toxic);
      if (one === undefined) return;
      attached.delete(toxic);
      one.undo();
      for (const [direction, stage] of one.stages) pipes[direction].remove(stage);
    },
    end,
  };
  return link;
}

function endSocket(socket: Socket, how: "reset" | "close"): void {
  if (socket.destroyed) return;
  if (socket.connecting) socket.destroy();
  else if (how === "close") socket.destroySoon();
  else socket.resetAndDestroy();
}

type Acting = {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: Readonly<Record<Direction, Pipe>>;
  end(how: "reset" | "close"): void;
  onAct(): void;
};

/** What a toxic does to a connection when they meet; returns what its removal does. */
function act(toxic: Toxic, { client, server, pipes, end, onAct }: Acting): () => void {
  if (toxic.type === "refuse") {
    onAct();
    end("reset");
  }
  if (toxic.type === "half_open") {
    onAct();
    const clientLeft = toxic.left === "client";
    pipes[clientLeft ? "upstream" : "downstream"].sink();
    pipes[clientLeft ? "downstream" : "upstream"].stop();
    (clientLeft ? server : client).destroy();
    return () => end("reset");
  }
  if (toxic.type !== "timeout") return () => {};
  const timer = setTimeout(() => {
    onAct();
    end("close");
  }, toxic.ms);
  return () => clearTimeout(timer);
}
