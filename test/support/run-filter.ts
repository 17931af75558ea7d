import type { Packet } from "#src/flow/packet.ts";
import type { Applied, FilterPlugin } from "#src/plugin/define.ts";
import { fakeFilterContext } from "./fake-context.ts";

/** What becomes of one packet: the packets that are sent on, or the code that it fails with. */
export type Became = readonly Packet[] | string;

/** Opens a filter with a config and gives it packets, one after the other. */
export async function runFilter(
  plugin: FilterPlugin,
  config: object,
  packets: readonly Packet[],
  ident = "own",
): Promise<readonly Became[]> {
  const { context } = fakeFilterContext({ ident });
  const state = await plugin.open(context, plugin.configSchema.parse(config));
  const all: Became[] = [];
  for (const packet of packets) {
    try {
      all.push(packetsOf(await plugin.apply(state, packet, context)));
    } catch (error) {
      all.push((error as { code?: string }).code ?? String(error));
    }
  }
  await plugin.close?.(state);
  return all;
}

export function packetsOf(applied: Applied): readonly Packet[] {
  if (applied === null) return [];
  return "payload" in applied ? [applied] : [...(applied as Iterable<Packet>)];
}

/** What is in packets, short: rows as objects of their image, documents as their text. */
export function shown(became: Became): unknown {
  return typeof became === "string" ? became : became.map(shownPacket);
}

export function shownPacket({ payload }: Packet): unknown {
  switch (payload.kind) {
    case "row": {
      const image = payload.after ?? payload.before ?? [];
      return Object.fromEntries(payload.table.columns.map(({ name }, i) => [name, image[i]]));
    }
    case "document":
      return payload.json;
    case "text":
      return payload.text;
    case "bytes":
      return payload.value && new TextDecoder().decode(payload.value);
  }
}
