import { seededRandom } from "../random.ts";
import type { Link } from "./link.ts";
import { matches, type RequestSeen, type Swallow } from "./protocol.ts";
import { type Stage, stageOf } from "./stage.ts";
import type { Direction, Protocol, RequestPattern, SwallowReply, Toxic } from "./toxic.ts";

export type ToxicOptions = {
  /** Both directions unless told. */
  readonly direction?: Direction;
  /** The number of one connection, from 1; all of them, those of now and later, unless told. */
  readonly connection?: number;
};

export type AddedToxic = {
  /** How often it ended a connection, changed a byte, cut a segment or swallowed a reply. */
  readonly acted: number;
  /** Connections that live go on without it; what it held back goes on at once. */
  remove(): void;
};

/** The toxics of a proxy, and their way onto connections. */
export type ToxicList = {
  add(toxic: Toxic, options?: ToxicOptions): AddedToxic;
  heal(): void;
  /** Gives a new connection the toxics that there are. */
  attach(link: Link): void;
  onRequest(connection: number, request: RequestSeen): Swallow | undefined;
};

type Added = {
  readonly toxic: Toxic;
  readonly options: ToxicOptions;
  readonly id: number;
  acted: number;
  /** Requests that the pattern of a `swallow_reply` has matched. */
  matched: number;
};

export function toxicList(
  links: ReadonlySet<Link>,
  seed: number,
  protocol: Protocol | undefined,
): ToxicList {
  const toxics: Added[] = [];
  let ids = 0;

  function attach(link: Link, one: Added): void {
    const { toxic, options, id } = one;
    if (!isOn(options, link.number)) return;
    const acted = () => ++one.acted;
    const stages = new Map<Direction, Stage>();
    for (const [at, direction] of (["upstream", "downstream"] as const).entries()) {
      if (options.direction !== undefined && options.direction !== direction) continue;
      const random = seededRandom(seed + 7919 * link.number + 104_729 * id + at);
      stages.set(direction, stageOf(toxic, random, acted));
    }
    link.add(toxic, stages, acted);
  }

  function remove(one: Added): void {
    const at = toxics.indexOf(one);
    if (at < 0) return;
    toxics.splice(at, 1);
    for (const link of links) link.remove(one.toxic);
  }

  return {
    add(toxic, options = {}) {
      if (toxic.type === "swallow_reply") checkProtocol(toxic, protocol);
      // A copy, so that the same value added twice is two toxics.
      const one: Added = { toxic: { ...toxic }, options, id: ++ids, acted: 0, matched: 0 };
      toxics.push(one);
      for (const link of links) attach(link, one);
      return {
        get acted() {
          return one.acted;
        },
        remove: () => remove(one),
      };
    },
    heal() {
      for (const one of [...toxics]) remove(one);
    },
    attach(link) {
      for (const one of toxics) attach(link, one);
    },
    onRequest(connection, request) {
      for (const one of toxics) {
        const { toxic, options } = one;
        if (toxic.type !== "swallow_reply" || !isOn(options, connection)) continue;
        if (!matches(toxic.to, request) || ++one.matched !== (toxic.nth ?? 1)) continue;
        return { cut: toxic.cut ?? true, swallowed: () => void one.acted++ };
      }
      return undefined;
    },
  };
}

function isOn({ connection }: ToxicOptions, number: number): boolean {
  return connection === undefined || connection === number;
}

function checkProtocol(toxic: SwallowReply, protocol: Protocol | undefined): void {
  const needed = protocolOf(toxic.to);
  if (protocol === needed) return;
  throw new Error(`the proxy cannot find replies: it was not made with protocol "${needed}"`);
}

function protocolOf(pattern: RequestPattern): Protocol {
  if ("apiKey" in pattern) return "kafka";
  return "zkOpcode" in pattern ? "zookeeper" : "mysql";
}
