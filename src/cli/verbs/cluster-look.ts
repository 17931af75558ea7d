import type {
  ClusterSummary,
  DecisionRecord,
  ParticipantView,
  PastDecision,
  ResourceView,
} from "../../api/cluster-port.ts";
import { durationText, printable, tableText, timeText } from "../text.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";

function withoutArguments({ args }: VerbContext, usage: string): void {
  if (args.length > 0) throw usageError("it takes no argument", usage);
}

export const clustersVerb: Verb = {
  name: "clusters",
  summary: "the cluster that the daemon is in: who leads, and whether all is read",
  usage: ["clusters"],
  async run(context) {
    withoutArguments(context, "clusters");
    const all = await context.client.get<readonly ClusterSummary[]>("/api/v1/clusters");
    show(context, all, () =>
      all.length === 0 ? "in no cluster\n" : all.map(clusterText).join(""),
    );
    return 0;
  },
};

function clusterText(one: ClusterSummary): string {
  const { session } = one;
  const lease =
    session.leaseLeftMs === null ? "" : `  lease ${durationText(session.leaseLeftMs)} left`;
  const head = `${one.name}  ${one.connect ?? "alone, without ZooKeeper"}  asked ${one.self}
session ${session.state}${lease}
${one.trouble ? `${one.trouble.code}: ${one.trouble.message}\n` : ""}`;
  if (one.participants === null) return `${head}what others do is not known without ZooKeeper\n`;
  const quarantined = one.quarantined ? `, ${one.quarantined} of them in quarantine` : "";
  return `${head}leader ${one.leader ?? "none"}  epoch ${one.epoch}  decision ${one.gen}
${one.participants} participants  ${one.resources} resources, ${one.unread} not read${quarantined}
`;
}

export const participantsVerb: Verb = {
  name: "participants",
  summary: "who is in the cluster, and what each of them has",
  usage: ["participants"],
  async run(context) {
    withoutArguments(context, "participants");
    const path = "/api/v1/cluster/participants";
    const all = await context.client.get<readonly ParticipantView[]>(path);
    show(context, all, () => participantsText(all));
    return 0;
  },
};

function participantsText(all: readonly ParticipantView[]): string {
  const rows = all.map((one) => [
    one.id,
    one.leader ? `${one.state}, leads` : one.state,
    one.weight,
    one.resources,
    one.cost,
    [...one.tags, ...one.tenants.map((tenant) => `tenant ${tenant}`)].join(" ") || null,
    one.build,
    one.proto?.join("-") ?? null,
    one.configVersion,
    one.rpc,
  ]);
  const header = ["ID", "STATE", "WEIGHT", "RESOURCES", "COST", "TAGS", "BUILD", "PROTO", "CONFIG"];
  const orders = all.flatMap(({ id, order, ownWeight }) => {
    if (!order) return [];
    const drained = order.drain ? [`drained: dbc undrain ${id} takes it back`] : [];
    const weighed =
      order.weight === null ? [] : [`weight ${order.weight} for its own ${ownWeight}`];
    const what = [...drained, ...weighed].join("; ");
    return [`${printable(`${id}: ${what} (${order.by}, ${timeText(order.at)})`)}\n`];
  });
  const refusals = all.flatMap(({ id, configRefused }) => {
    if (!configRefused) return [];
    const { n, problems } = configRefused;
    return problems.map((problem) => `${printable(`${id}: refuses version ${n}: ${problem}`)}\n`);
  });
  return tableText([...header, "RPC"], rows) + orders.join("") + refusals.join("");
}

export const resourcesVerb: Verb = {
  name: "resources",
  summary: "what the cluster reads: by whom, since when, up to where, or why not",
  usage: ["resources [--positions]"],
  options: { positions: { type: "boolean" } },
  help: `      --positions   shows up to where each partition is committed

`,
  async run(context) {
    withoutArguments(context, "resources [--positions]");
    const path = "/api/v1/cluster/resources";
    const all = await context.client.get<readonly ResourceView[]>(path);
    show(context, all, () => resourcesText(all, context.values.positions === true));
    return 0;
  },
};

function resourcesText(all: readonly ResourceView[], positions: boolean): string {
  if (all.length === 0) return "no resources\n";
  const rows = all.map((one) => [
    one.id,
    one.input,
    one.owner,
    one.failure?.quarantined ? "quarantine" : one.state,
    one.cost,
    one.group,
    timeText(one.since),
    one.checkpoint && timeText(one.checkpoint.at),
  ]);
  const header = ["ID", "INPUT", "OWNER", "STATE", "COST", "GROUP", "SINCE", "CHECKPOINT"];
  return tableText(header, rows) + all.flatMap((one) => notesOf(one, positions)).join("");
}

function notesOf(one: ResourceView, positions: boolean): string[] {
  const notes: string[] = [];
  const { failure, wish, why, checkpoint } = one;
  if (why !== null) notes.push(`nobody has it: ${whyText[why]}`);
  if (failure) {
    const next = `again ${durationText(failure.waitMs)} after the last try`;
    const tries = `${failure.attempts} tries on ${failure.failedOn.join(", ")}; ${next}`;
    notes.push(`${failure.code}: ${failure.reason} (${tries})`);
  }
  if (wish) notes.push(`${wish.by} wants it with ${wish.to}`);
  for (const [partition, position] of positions
    ? Object.entries(checkpoint?.positions ?? {})
    : []) {
    notes.push(`partition ${partition} at ${position}`);
  }
  return notes.map((note) => `${printable(`${one.id}: ${note}`)}\n`);
}

const whyText = {
  nobody: "no participant takes anything",
  tags: "no participant has all of its tags",
  tenant: "no participant reads for its tenant",
  waiting: "it waits for its next try, or for the rest of its group",
} as const;

export const decisionVerb: Verb = {
  name: "decision",
  summary: "what the leader decided last; with --history who decided what in which epoch",
  usage: ["decision [--history [--limit N]]"],
  options: { history: { type: "boolean" }, limit: { type: "string" } },
  help: `      --history     the newest decisions, newest first
      --limit N     so many of them, 20 unless told, at most 100

`,
  async run(context) {
    withoutArguments(context, "decision [--history [--limit N]]");
    const { client, values } = context;
    if (values.history === true) {
      const limit = Number(textOption(values, "limit") ?? 20);
      if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
        throw usageError("--limit is from 1 to 100", "decision --history --limit N");
      }
      const path = `/api/v1/cluster/history?limit=${limit}`;
      const all = await client.get<readonly PastDecision[]>(path);
      show(context, all, () => historyText(all));
      return 0;
    }
    const newest = await client.get<DecisionRecord | null>("/api/v1/cluster/decision");
    show(context, newest, () => (newest ? decisionText(newest) : "nothing was decided yet\n"));
    return 0;
  },
};

function decisionText(one: DecisionRecord): string {
  const head = `decision ${one.gen} of epoch ${one.epoch}, by ${one.by}: ${one.why}\n`;
  return printable(head.trimEnd()).concat("\n", changesText(one));
}

/** Moves and assignments as one table; empty where there are none. */
export function changesText({ assign, revoke }: Pick<DecisionRecord, "assign" | "revoke">): string {
  const rows = [
    ...Object.entries(revoke).map(([rid, { from, to }]) => [rid, from, to]),
    ...Object.entries(assign).map(([rid, to]) => [rid, null, to]),
  ];
  return rows.length === 0 ? "" : tableText(["RESOURCE", "FROM", "TO"], rows);
}

function historyText(all: readonly PastDecision[]): string {
  if (all.length === 0) return "nothing was decided yet\n";
  const rows = all.map((one) => [
    timeText(one.at),
    one.epoch,
    one.gen,
    one.by,
    one.why,
    one.asked.join("; ") || null,
  ]);
  return tableText(["AT", "EPOCH", "DECISION", "BY", "WHAT", "ASKED BY"], rows);
}
