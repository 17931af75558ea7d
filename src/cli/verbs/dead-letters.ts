import type { DeadLetter } from "../../deadletter/store.ts";
import { printable, tableText, timeText } from "../text.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";

const usages = {
  list: "deadletters list [--node N] [--input I] [--after ID] [--limit N]",
  show: "deadletters show ID",
  redrive: "deadletters redrive (ID... | --all) [--node N] [--input I]",
} as const;

/** As many as the API takes and gives at a time. */
const chunk = 1000;

type Listed = Omit<DeadLetter, "packet">;

export const deadLettersVerb: Verb = {
  name: "deadletters",
  summary: "packets that failed for good: looks at them, sends them again",
  usage: Object.values(usages),
  options: {
    node: { type: "string" },
    input: { type: "string" },
    after: { type: "string" },
    limit: { type: "string" },
    all: { type: "boolean" },
  },
  help: `      --node N    only those that this filter or output refused
      --input I   only those of this input
      --after ID  only later ones
      --limit N   at most so many, 100 unless told
      --all       every one that was never redriven, of those that the other options leave
`,
  run(context) {
    const [action, ...rest] = context.args;
    if (action === "list" && rest.length === 0) return list(context);
    if (action === "show" && rest.length === 1) return showOne(context, rest[0] ?? "");
    if (action === "redrive") return redrive(context, rest);
    throw usageError("it wants list, show or redrive", "deadletters list|show|redrive …");
  },
};

function query(context: VerbContext, extra: Readonly<Record<string, string>> = {}): string {
  const fields = new URLSearchParams();
  for (const name of ["node", "input", "after", "limit"]) {
    const value = extra[name] ?? textOption(context.values, name);
    if (value === undefined) continue;
    const isNumber = /^\d+$/.test(value) || name === "node" || name === "input";
    if (!isNumber) throw usageError(`--${name} is a whole number`, usages.list);
    fields.set(name, value);
  }
  const text = fields.toString();
  return `/api/v1/deadletters${text === "" ? "" : `?${text}`}`;
}

async function list(context: VerbContext): Promise<number> {
  const path = query(context);
  const letters = await context.client.get<readonly Listed[]>(path);
  show(context, letters, () => {
    if (letters.length === 0)
      return `there are no ${path.includes("?") ? "such " : ""}dead letters\n`;
    return tableText(
      ["ID", "AT", "REFUSED BY", "INPUT", "POSITION", "IDENT", "CODE", "REASON", "REDRIVEN"],
      letters.map((one) => [
        String(one.id),
        timeText(one.at),
        one.node,
        one.input,
        placeText(one),
        one.ident,
        one.code,
        one.reason.slice(0, 80),
        one.redrivenAt === null ? null : timeText(one.redrivenAt),
      ]),
    );
  });
  return 0;
}

/** Where it stands in its source, in short: `show` and `--json` have the whole position. */
export function placeText({
  partition,
  position,
}: Pick<DeadLetter, "partition" | "position">): string {
  const of = partition === "0" ? "" : `${partition} `;
  const parts = partsOf(position);
  const { file, pos, rows, offset } = parts;
  if (typeof file === "string" && typeof pos === "number") {
    return `${of}${file}:${pos}${typeof rows === "number" ? ` row ${rows}` : ""}`;
  }
  // Of a log it is the record that is looked for, and not the one behind it, where reading goes on.
  if (typeof offset === "number" && "partition" in parts) return `${of}offset ${offset - 1}`;
  if (typeof offset === "number" || typeof offset === "string") return `${of}offset ${offset}`;
  return `${of}${position}`.slice(0, 60);
}

function partsOf(position: string): Readonly<Record<string, unknown>> {
  const parts: unknown = JSON.parse(position);
  return typeof parts === "object" && parts !== null ? { ...parts } : {};
}

async function showOne(context: VerbContext, id: string): Promise<number> {
  const path = `/api/v1/deadletters/${encodeURIComponent(id)}`;
  const { packet, ...letter } = await context.client.get<DeadLetter>(path);
  show(context, { ...letter, packet }, () => {
    const lines = Object.entries({
      ...letter,
      at: timeText(letter.at),
      redrivenAt: letter.redrivenAt === null ? "never" : timeText(letter.redrivenAt),
    }).map(([name, value]) => `${name.padEnd(11)}${printable(String(value))}\n`);
    return `${lines.join("")}packet\n${JSON.stringify(packet, null, 2)}\n`;
  });
  return 0;
}

async function redrive(context: VerbContext, args: readonly string[]): Promise<number> {
  const all = context.values.all === true;
  if (all === args.length > 0) throw usageError("it wants ids or --all", usages.redrive);
  const ids = args.map(Number);
  if (ids.some((id) => !Number.isSafeInteger(id) || id < 0)) {
    throw usageError("an id is a whole number", usages.redrive);
  }
  const sum = { delivered: 0, failed: 0, outOfOrder: [] as number[] };
  for (const some of chunksOf(all ? await waitingIds(context) : ids)) {
    const done = await context.client.send<typeof sum>("POST", "/api/v1/deadletters/redrive", {
      ids: some,
    });
    sum.delivered += done.delivered;
    sum.failed += done.failed;
    sum.outOfOrder.push(...done.outOfOrder);
  }
  show(context, sum, () => {
    const counts = `${sum.delivered} delivered, ${sum.failed} failed again\n`;
    return sum.outOfOrder.length === 0 ? counts : `${counts}${orderLost(sum.outOfOrder)}`;
  });
  return sum.failed > 0 ? 1 : 0;
}

/** What is behind a newer packet of its key may have set it back to an older state. */
function orderLost(ids: readonly number[]): string {
  const some = ids.slice(0, 20).join(", ");
  const more = ids.length > 20 ? ` and ${ids.length - 20} more` : "";
  return (
    `order was lost, or may be: newer packets of the same key had passed before ${some}${more}\n` +
    "  look at what the output has for those keys now\n"
  );
}

/** Those that were never redriven, listed before the first is sent: one that fails comes back. */
async function waitingIds(context: VerbContext): Promise<readonly number[]> {
  const ids: number[] = [];
  for (let after = "0"; ; ) {
    const page = await context.client.get<readonly Listed[]>(
      query(context, { after, limit: String(chunk) }),
    );
    if (page.length === 0) return ids;
    ids.push(...page.filter((one) => one.redrivenAt === null).map(({ id }) => id));
    after = String(page.at(-1)?.id ?? after);
  }
}

function* chunksOf(ids: readonly number[]): Generator<readonly number[]> {
  for (let at = 0; at < ids.length; at += chunk) yield ids.slice(at, at + chunk);
}
