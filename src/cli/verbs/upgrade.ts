import type { ParticipantView, ResourceView } from "../../api/cluster-port.ts";
import { DbusError } from "../../errors.ts";
import { printable, tableText } from "../text.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";
import { waiterOf } from "../wait-until.ts";
import { isAtRest } from "./cluster-orders.ts";

const usages = [
  "upgrade --plan [--to VERSION]",
  "upgrade --wait-for ID [--to VERSION] [--wait SECS]",
];
const waitDefault = "120";

export const upgradeVerb: Verb = {
  name: "upgrade",
  summary: "how to bring all participants to another version, one after the other",
  usage: usages,
  options: {
    plan: { type: "boolean" },
    "wait-for": { type: "string" },
    to: { type: "string" },
    wait: { type: "string" },
  },
  help: `      --plan         prints the steps, in their order, with what is the case now
      --wait-for ID  waits until that one is back and all is read: then the next one may begin
      --to VERSION   the new version; the newest that runs already unless told
      --wait SECS    how long it waits, ${waitDefault} unless told

dbus replaces no program by itself: that is for your package manager, between drain and undrain.

`,
  async run(context) {
    const { args, values } = context;
    const id = textOption(values, "wait-for");
    if (args.length > 0 || (values.plan === true) === (id !== undefined)) {
      throw usageError("it wants --plan, or --wait-for and a participant", usages.join(" | "));
    }
    const to = textOption(values, "to");
    return id === undefined ? plan(context, to) : waitFor(context, id, to);
  },
};

type Sight = {
  readonly participants: readonly ParticipantView[];
  readonly resources: readonly ResourceView[];
};

async function lookedAt({ client }: VerbContext): Promise<Sight> {
  const [participants, resources] = await Promise.all([
    client.get<readonly ParticipantView[]>("/api/v1/cluster/participants"),
    client.get<readonly ResourceView[]>("/api/v1/cluster/resources"),
  ]);
  return { participants, resources };
}

export type UpgradeStep = {
  readonly id: string;
  readonly build: string | null;
  readonly leader: boolean;
  /** `done`: it runs that version and takes resources; `begun`: it is drained or away. */
  readonly state: "done" | "begun" | "to do";
  readonly commands: readonly string[];
};

/** Who leads comes last: each time that a leader goes, another has to be found. */
export function upgradeSteps(
  participants: readonly ParticipantView[],
  to: string | undefined,
): { readonly to: string | null; readonly steps: readonly UpgradeStep[] } {
  const builds = participants.flatMap(({ build }) => (build ? [build] : []));
  const version = to ?? builds.toSorted(byVersion).at(-1) ?? null;
  const steps = participants
    .filter(({ state, order }) => state !== "gone" || order?.drain === true)
    .toSorted((a, b) => Number(a.leader) - Number(b.leader) || (a.id < b.id ? -1 : 1))
    .map((one): UpgradeStep => {
      const { id, build, leader, state } = one;
      const isNew = build !== null && build === version;
      const begun = state !== "online";
      const goal = to === undefined ? "" : ` --to ${to}`;
      const commands = [
        `dbc drain ${id} --wait 60`,
        `(restart dbusd of ${id} with ${to === undefined ? "the new version" : to})`,
        `dbc undrain ${id}`,
        `dbc upgrade --wait-for ${id}${goal}`,
      ];
      const isDone = isNew && !begun && (to !== undefined || builds.some((b) => b !== version));
      const left = isDone ? [] : isNew && begun ? commands.slice(2) : commands;
      return {
        id,
        build,
        leader,
        state: isDone ? "done" : begun ? "begun" : "to do",
        commands: left,
      };
    });
  return { to: version, steps };
}

/** By their numbers, so that 1.10 is newer than 1.9. */
function byVersion(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

async function plan(context: VerbContext, to: string | undefined): Promise<number> {
  const { participants, resources } = await lookedAt(context);
  const planned = upgradeSteps(participants, to);
  const hindrances = hindrancesOf(participants, resources);
  show(context, { ...planned, hindrances }, () => {
    const rows = planned.steps.map((one) => [
      one.id,
      one.leader ? "leads, so it comes last" : null,
      one.build,
      one.state,
    ]);
    const table = tableText(["PARTICIPANT", "", "BUILD", "STATE"], rows);
    const notes = hindrances.map((one) => `first: ${printable(one)}\n`).join("");
    const commands = planned.steps.flatMap((one) => one.commands).map((one) => `  ${one}\n`);
    const rest = commands.length === 0 ? "nothing is left to do\n" : commands.join("");
    return `${table}\n${notes}${rest}`;
  });
  return 0;
}

/** Why one of them should not be taken away now. */
function hindrancesOf(
  participants: readonly ParticipantView[],
  resources: readonly ResourceView[],
): string[] {
  const online = participants.filter(({ state }) => state === "online");
  const unread = resources.filter(({ state }) => state !== "running");
  return [
    ...(online.length < 2
      ? ["only one takes resources: what it reads stands still meanwhile"]
      : []),
    ...(unread.length > 0 ? [`${unread.length} resources are not read: dbc resources`] : []),
  ];
}

async function waitFor(context: VerbContext, id: string, to: string | undefined): Promise<number> {
  const values = { ...context.values, wait: textOption(context.values, "wait") ?? waitDefault };
  const wait = waiterOf({ values, signal: context.signal });
  const first = await lookedAt(context);
  if (!first.participants.some((one) => one.id === id)) {
    const known = first.participants.map((one) => one.id).join(", ");
    throw new DbusError("NOT_FOUND", `no participant is called ${id}`, {
      remedy: `participants: ${known}`,
    });
  }
  let last: Sight = first;
  const what = `${id} to be back${to === undefined ? "" : ` with ${to}`} and all to be read`;
  await wait(what, async () => {
    last = await lookedAt(context);
    const one = last.participants.find((other) => other.id === id);
    const isBack = one?.state === "online" && (to === undefined || one.build === to);
    return isBack && last.resources.every(isAtRest);
  });
  const one = last.participants.find((other) => other.id === id);
  show(context, one, () => {
    return `${id} is back with ${one?.build}, reads ${one?.resources}, and all is read\n`;
  });
  return 0;
}
