import type { CheckpointView, Stat } from "../../api/port.ts";
import type { CheckpointKey } from "../../checkpoint/store.ts";
import { DbusError } from "../../errors.ts";
import { tableText, timeText } from "../text.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";

const usages = {
  get: "checkpoint get [INPUT]",
  set: "checkpoint set INPUT POSITION [--resource R] [--partition P] [--dry-run]",
  reset: "checkpoint reset INPUT [--resource R] [--partition P] [--dry-run]",
} as const;

export const checkpointVerb: Verb = {
  name: "checkpoint",
  summary: "shows, sets or forgets up to where an input is settled",
  usage: Object.values(usages),
  options: {
    resource: { type: "string" },
    partition: { type: "string" },
    "dry-run": { type: "boolean" },
  },
  help: `      POSITION        as the input's plugin spells it, JSON or a plain text
      --resource R    which resource of the input; needed when it has several
      --partition P   which partition, as get shows it; needed when it has several
      --dry-run       only says what would change
`,
  run(context) {
    const [action, input, ...rest] = context.args;
    if (action === "get" && rest.length === 0) return get(context, input);
    if (action === "set" && input !== undefined && rest.length === 1) {
      return change(context, input, { position: positionOf(rest[0] ?? "") });
    }
    if (action === "reset" && input !== undefined && rest.length === 0) {
      return change(context, input, null);
    }
    const known = action === "get" || action === "set" || action === "reset" ? action : undefined;
    throw known
      ? usageError(`checkpoint ${known} wants other arguments`, usages[known])
      : usageError("it wants get, set or reset", "checkpoint get|set|reset …");
  },
};

async function get(context: VerbContext, input: string | undefined): Promise<number> {
  const all = await context.client.get<readonly CheckpointView[]>("/api/v1/checkpoints");
  const some = input === undefined ? all : all.filter((one) => one.input === input);
  if (input !== undefined && some.length === 0) {
    throw new DbusError("NOT_FOUND", `there is no checkpoint of ${input}`);
  }
  show(context, some, () =>
    tableText(
      ["INPUT", "RESOURCE", "PARTITION", "POSITION", "EPOCH", "COMMITTED", "WATERMARK"],
      some.map((one) => [
        one.input,
        one.resource,
        one.partition,
        one.position,
        one.epoch,
        timeText(one.committedAt),
        one.watermark,
      ]),
    ),
  );
  return 0;
}

/** JSON where it is JSON; else the text itself, so that no shell needs quotes within quotes. */
function positionOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function change(
  context: VerbContext,
  input: string,
  to: { readonly position: unknown } | null,
): Promise<number> {
  const all = await context.client.get<readonly CheckpointView[]>("/api/v1/checkpoints");
  const usage = to === null ? usages.reset : usages.set;
  const key = await keyOf(context, input, all, usage);
  const same = (one: CheckpointView) =>
    one.input === input && one.resource === key.resource && one.partition === key.partition;
  const before = all.find(same)?.position ?? null;
  const after = to === null ? null : JSON.stringify(to.position);
  const dryRun = context.values["dry-run"] === true;
  const parts = ["checkpoints", key.input, key.resource, key.partition].map(encodeURIComponent);
  // The daemon looks at a dry run too: only it knows what its plugins take for a position.
  const path = `/api/v1/${parts.join("/")}${dryRun ? "?dryRun=true" : ""}`;
  await context.client.send(to ? "PUT" : "DELETE", path, to ?? undefined);
  const nothing = "nothing stored";
  show(context, { ...key, before, after, dryRun }, () => {
    const which = `${key.input} ${key.resource} partition ${key.partition}`;
    const verb = dryRun ? "would go" : "went";
    return `${which} ${verb} from ${before ?? nothing} to ${after ?? nothing}\n`;
  });
  return 0;
}

async function keyOf(
  context: VerbContext,
  input: string,
  stored: readonly CheckpointView[],
  usage: string,
): Promise<CheckpointKey> {
  const own = stored.filter((one) => one.input === input);
  const resource =
    textOption(context.values, "resource") ?? (await onlyResource(context, input, own, usage));
  const partition = textOption(context.values, "partition");
  if (partition !== undefined) return { input, resource, partition };
  const known = own.filter((one) => one.resource === resource).map((one) => one.partition);
  if (known.length > 1) {
    const more = known.length > 20 ? ` and ${known.length - 20} more` : "";
    const some = `${known.slice(0, 20).join(", ")}${more}`;
    throw usageError(`${input} has several partitions: ${some}`, usage);
  }
  return { input, resource, partition: known[0] ?? "0" };
}

async function onlyResource(
  { client }: VerbContext,
  input: string,
  own: readonly CheckpointView[],
  usage: string,
): Promise<string> {
  const stat = await client.get<Stat>("/api/v1/stat");
  const running = stat.inputs.filter(({ name }) => name === input);
  const [resource, ...others] = new Set([...running, ...own].map((one) => one.resource));
  if (resource === undefined) throw new DbusError("NOT_FOUND", `there is no input ${input}`);
  if (others.length === 0) return resource;
  throw usageError(`${input} has several resources: ${[resource, ...others].join(", ")}`, usage);
}
