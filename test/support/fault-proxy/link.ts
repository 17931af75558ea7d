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
    if (ended) return;
    ended = true;
    for (const one of Object.values(pipes)) one.stop();
    for (const { undo } of attached.values()) undo();
    attached.clear();
    for (const socket of [client, server]) {
      if (socket.connecting) socket.destroy();
      else if (how === "close") socket.destroySoon();
      else socket.resetAndDestroy();
    }
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

  function act(toxic: Toxic, onAct: () => void): () => void {
    const away = (how: "reset" | "close") => {
      onAct();
      end(how);
    };
    if (toxic.type === "refuse") away("reset");
    if (toxic.type === "half_open") {
      onAct();
      const [gone, from, to] =
        toxic.left === "client"
          ? ([server, "downstream", "upstream"] as const)
          : ([client, "upstream", "downstream"] as const);
      pipes[to].sink();
      pipes[from].stop();
      gone.destroy();
      return () => end("reset");
    }
    if (toxic.type !== "timeout") return () => {};
    const timer = setTimeout(() => away("close"), toxic.ms);
    return () => clearTimeout(timer);
  }

  const link: Link = {
    number,
    forwarded,
    add(toxic, stages, onAct) {
      if (ended) return;
      attached.set(toxic, { stages, undo: () => {} });
      for (const [direction, stage] of stages) pipes[direction].add(stage);
      const undo = act(toxic, onAct);
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
