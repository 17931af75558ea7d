import type { Reply } from "#src/actor/actor.ts";
import type { Clock } from "#src/clock.ts";
import type { OutputEntry } from "#src/config/config.ts";
import type { Forgetter } from "#src/flow/partition-set.ts";
import type { SourcePartition } from "#src/plugin/context.ts";
import { withDeadline } from "#src/plugin/deadline.ts";
import type { Wiring } from "./nodes.ts";

/** An output's sink is to forget how far it is with a partition; who waits is told once it has. */
export type Forget = { readonly source: SourcePartition; readonly reply: Reply<void> };

/** What an output is to forget: at once, or when its plugin is open. */
export type Forgetting = {
  add(forget: Forget): void;
  opened(plugin: unknown): void;
};

export function createForgetting({ plugin }: OutputEntry): Forgetting {
  const waiting: Forget[] = [];
  let at: { readonly value: unknown } | undefined;

  function start(value: unknown, { source, reply }: Forget): void {
    const work = Promise.resolve().then(() => plugin.forget?.(value, source));
    work.then(reply.resolve, reply.reject);
  }

  return {
    add(forget) {
      if (at) start(at.value, forget);
      else waiting.push(forget);
    },
    opened(value) {
      at = { value };
      for (const forget of waiting.splice(0)) start(value, forget);
    },
  };
}

/** Whether packets of the one may come to the other. The graph has no cycles. */
function leads(graph: Wiring["graph"], from: string, to: string): boolean {
  return graph.some((edge) => edge.from === from && (edge.to === to || leads(graph, edge.to, to)));
}

/** A sink that is away must not hold up for ever what an operator waits for. */
const FORGET_MS = 30_000;

/** How each output whose sink keeps positions is told to forget one of this resource. */
export function forgettersOf(
  { outputs, graph }: Pick<Wiring, "outputs" | "graph">,
  { input, resource }: { readonly input: string; readonly resource: string },
  clock: Clock,
): readonly Forgetter[] {
  const keeping = outputs.filter(({ entry: { name, plugin, config } }) => {
    return plugin.exactlyOnce?.(config) && leads(graph, input, name);
  });
  return keeping.map(({ entry, ref }) => (partition, fence) => {
    const source = { input, resource, partition, fence };
    const asked = ref.ask<void>((reply) => ({ kind: "forget", source, reply }));
    const what = `${entry.name}, to forget how far it is with ${input},`;
    return withDeadline(asked, { clock, ms: FORGET_MS, what });
  });
}
