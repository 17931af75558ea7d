import type { WrittenWithin } from "../../support/kafka-sampler.ts";
import { findings } from "../../support/ledger-checker.ts";
import type { RunRepeats } from "../duplicates.ts";
import type { Verdict } from "../verdict.ts";
import type { Expect } from "./expected.ts";
import { type JumpsOptions, jumpsOf, repeatsSum, type Step, type SumOptions } from "./jumps.ts";
import type { SeenRecord } from "./records.ts";

export type CopyRecord = SeenRecord & WrittenWithin;

export type CopyOptions = {
  /** Whether each record has to be in the partition that it had. */
  readonly samePartition: boolean;
  /** Whether the newest record of a key must be the last one of the copy: members may be late. */
  readonly lastIsNewest: boolean;
  readonly expect: Expect;
  /** Whether a record may be missing, as nobody knows that it was committed. */
  readonly unsure: ReadonlySet<string>;
  readonly bound: ({ readonly by: "jumps" } & JumpsOptions) | ({ readonly by: "sum" } & SumOptions);
};

/** Records that came one way: their order is that of the source, but for what is repeated. */
type Stream = { readonly seen: { readonly offset: number; readonly record: CopyRecord }[] };

/** Holds a copy against its source. Both are in the order of each partition. */
export function copyVerdict(
  source: readonly SeenRecord[],
  copy: readonly CopyRecord[],
  options: CopyOptions,
): Verdict {
  const { expect, samePartition, bound } = options;
  const kinds = {
    ...{ lost: findings(), strange: findings(), changed: findings() },
    ...{ disordered: findings(), stale: findings() },
  };
  const expected = new Map<string, SeenRecord>();
  /** Of each key, which may be the last. */
  const newest = new Map<string, readonly string[]>();
  for (const record of source) {
    const to = expect(record);
    if (to === undefined) continue;
    if (expected.has(record.name)) throw new Error(`the source has ${record.name} twice`);
    expected.set(record.name, record);
    if (record.key === null) continue;
    const may = options.unsure.has(record.name) ? (newest.get(keyOf(record)) ?? []) : [];
    newest.set(keyOf(record), [...may, record.name]);
  }
  const last = new Map<string, string>();
  const streams = new Map<string, Stream>();
  const met = new Set<string>();
  const furthest = new Map<string, number>();
  let duplicated = 0;
  for (const record of copy) {
    const { name } = record;
    const from = expected.get(name);
    if (from === undefined) {
      kinds.strange.add(`${placeOf(record)} (${name})`);
      continue;
    }
    const wrong = differs(from, record, expect(from)?.sink, expect(from)?.value, samePartition);
    if (wrong !== undefined) kinds.changed.add(`${name}: ${wrong}`);
    if (from.key !== null) last.set(keyOf(from), name);
    const again = met.has(name);
    met.add(name);
    if (again) duplicated++;
    // What has no key goes anywhere, unless it goes where it was.
    if (from.key === null && !samePartition) continue;
    const way = `${from.topic}/${from.partition} to ${record.topic}/${record.partition}`;
    const stream = streams.get(way) ?? { seen: [] };
    streams.set(way, stream);
    stream.seen.push({ offset: from.offset, record });
    const far = furthest.get(way) ?? -1;
    if (!again && from.offset < far) kinds.disordered.add(`${name} of ${way}`);
    furthest.set(way, Math.max(far, from.offset));
  }
  for (const [name, record] of expected) {
    if (!met.has(name) && !options.unsure.has(name))
      kinds.lost.add(`${name} of ${placeOf(record)}`);
  }
  if (options.lastIsNewest) {
    for (const [key, name] of last)
      if (newest.get(key)?.includes(name) !== true) kinds.stale.add(key);
  }
  const problems: string[] = [];
  for (const [kind, one] of Object.entries(kinds)) {
    const { count, examples } = one.found();
    if (count > 0) problems.push(`kafka: ${count} ${kind} (${examples.slice(0, 4).join("; ")})`);
  }
  const runs =
    bound.by === "jumps"
      ? [...streams].flatMap(([way, stream]) => judgeJumps(way, stream, bound, problems))
      : judgeSum(copy, duplicated, bound, problems);
  const count = (kind: keyof typeof kinds) => kinds[kind].found().count;
  return {
    ...{ output: "kafka", committed: expected.size, lost: count("lost"), duplicated },
    corrupted: count("strange") + count("changed"),
    reordered: count("disordered") + count("stale"),
    ...{ runs, problems },
  };
}

const placeOf = ({ topic, partition, offset }: SeenRecord) => `${topic}/${partition}@${offset}`;
const keyOf = ({ topic, key }: SeenRecord) => `${topic} ${key}`;
const isOwn = (header: string) => /^(dbus-|content-type=)/.test(header);

/** What of a record is not as it must be; undefined when all is. */
function differs(
  from: SeenRecord,
  { topic, partition, key, value, timestamp, headers }: SeenRecord,
  sink: string | undefined,
  wanted: string | null | undefined,
  samePartition: boolean,
): string | undefined {
  if (topic !== sink) return `is in ${topic}`;
  if (samePartition && partition !== from.partition) return `is in partition ${partition}`;
  if (key !== from.key) return `has the key ${key}`;
  if (value !== wanted) return `has the value ${value?.slice(0, 200)}`;
  if (timestamp !== from.timestamp) return `has the time ${timestamp}`;
  const own = headers.filter((header) => !isOwn(header));
  return own.join("\n") === from.headers.join("\n") ? undefined : `has the headers ${own}`;
}

function judgeJumps(
  way: string,
  { seen }: Stream,
  bound: JumpsOptions,
  problems: string[],
): RunRepeats[] {
  const offsets = [...new Set(seen.map(({ offset }) => offset))].sort((a, b) => a - b);
  const places = new Map(offsets.map((offset, place) => [offset, place]));
  const steps = seen.map(({ offset, record: { from, until } }): Step => {
    return { at: places.get(offset) ?? 0, from, until };
  });
  return jumpsOf(steps, bound).map(({ repeats, most, own }) => {
    if (own) problems.push(`kafka: ${way} goes back by ${repeats} within a run`);
    else if (repeats > most) problems.push(`kafka: ${way} repeats ${repeats}, at most ${most}`);
    return { repeats, most, own: own ? repeats : 0 };
  });
}

function judgeSum(
  copy: readonly CopyRecord[],
  repeats: number,
  bound: SumOptions,
  problems: string[],
): RunRepeats[] {
  const most = repeatsSum(copy, bound);
  if (repeats > most) problems.push(`kafka: ${repeats} came twice, at most ${most}`);
  return [{ repeats, most, own: 0 }];
}
