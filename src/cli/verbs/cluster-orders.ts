import type { Changed, ParticipantView, PlanView, ResourceView } from "../../api/cluster-port.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";
import { waiterOf } from "../wait-until.ts";
import { changesText } from "./cluster-look.ts";

const waitOption = { wait: { type: "string" } } as const;
const waitHelp = `      --wait SECS   waits until it is so, and fails when it is not by then

`;

export const rebalanceVerb: Verb = {
  name: "rebalance",
  summary: "asks the leader to spread the load anew, and to try again what failed",
  usage: ["rebalance [--dry-run]"],
  options: { "dry-run": { type: "boolean" } },
  help: `      --dry-run     only says what the leader would do first

What was migrated may move again then. Resources move a few at a time, so it may take several
decisions until all is even: dbc decision --history tells them.

`,
  async run(context) {
    if (context.args.length > 0) throw usageError("it takes no argument", "rebalance [--dry-run]");
    const dry = context.values["dry-run"] === true;
    const path = `/api/v1/cluster/rebalance${dry ? "?dryRun=true" : ""}`;
    const answer = await context.client.send<Changed & { plan: PlanView }>("POST", path);
    show(context, { ...answer, dryRun: dry }, () => {
      const changes = changesText(answer.plan);
      const waiting = Object.keys(answer.plan.orphans).length;
      const rest = waiting === 0 ? "" : `${waiting} stay without an owner: dbc resources\n`;
      const none = "nothing would move: the load is even\n";
      if (dry) return changes === "" ? none + rest : `this would move first:\n${changes}${rest}`;
      const asked = answer.changed ? "the leader was asked" : "the leader is asked already";
      return changes === "" ? `${asked}; ${none}` : `${asked}; this moves first:\n${changes}`;
    });
    return 0;
  },
};

const migrateUsages = [
  "migrate RESOURCE --to ID [--wait SECS]",
  "migrate RESOURCE --cancel",
] as const;

export const migrateVerb: Verb = {
  name: "migrate",
  summary: "moves a resource to a participant, where it stays until told otherwise",
  usage: migrateUsages,
  options: { to: { type: "string" }, cancel: { type: "boolean" }, ...waitOption },
  help: `      RESOURCE      its id, its input where that has one, or input/resource
      --to ID       the participant; dbc participants names them
      --cancel      takes that back: it may move again for balance
${waitHelp}`,
  async run(context) {
    const [resource, ...rest] = context.args;
    const to = textOption(context.values, "to") ?? null;
    const cancel = context.values.cancel === true;
    if (resource === undefined || rest.length > 0 || cancel === (to !== null)) {
      throw usageError("it wants a resource, and --to or --cancel", migrateUsages.join(" | "));
    }
    const wait = waiterOf(context);
    const body = { resource, to };
    const path = "/api/v1/cluster/migrate";
    const answer = await context.client.send<Changed & { resource: string }>("POST", path, body);
    const id = answer.resource;
    if (to !== null) {
      await wait(`${id} to run with ${to}`, async () => {
        const one = (await resourcesOf(context)).find((resource) => resource.id === id);
        return one?.owner === to && one.state === "running";
      });
    }
    show(context, { ...answer, to }, () => {
      if (to === null) return `${id} may be anywhere again\n`;
      const again = answer.changed ? "" : ", as before";
      return `${id} is wanted with ${to}${again}; dbc resources tells where it is\n`;
    });
    return 0;
  },
};

const resourcesOf = ({ client }: VerbContext): Promise<readonly ResourceView[]> =>
  client.get<readonly ResourceView[]>("/api/v1/cluster/resources");

/** Read, or not to be read by anybody for a reason that waiting does not mend. */
export function isAtRest({ state, failure, why }: ResourceView): boolean {
  return state === "running" || failure !== null || (why !== null && why !== "waiting");
}

const participantOf = (context: VerbContext, id: string): Promise<ParticipantView | undefined> =>
  context.client
    .get<readonly ParticipantView[]>("/api/v1/cluster/participants")
    .then((all) => all.find((one) => one.id === id));

function drainVerb(name: "drain" | "undrain", summary: string): Verb {
  const drain = name === "drain";
  const usage = `${name} ID${drain ? " [--wait SECS]" : ""}`;
  return {
    name,
    summary,
    usage: [usage],
    ...(drain ? { options: waitOption, help: waitHelp } : {}),
    async run(context) {
      const id = oneArgument(context, usage);
      const wait = waiterOf(context);
      const path = "/api/v1/cluster/drain";
      const body = { participant: id, drain };
      const answer = await context.client.send<Changed>("POST", path, body);
      await wait(`${id} to have nothing, and others to read it`, async () => {
        if ((await participantOf(context, id))?.resources !== 0) return false;
        return (await resourcesOf(context)).every(isAtRest);
      });
      show(context, { ...answer, participant: id, drain }, () => {
        const again = answer.changed ? "" : " already";
        if (!drain) return `${id} takes resources${again}\n`;
        return `${id} gives all away${again}, and stays empty until dbc undrain ${id}\n`;
      });
      return 0;
    },
  };
}

export const drainVerbs: readonly Verb[] = [
  drainVerb("drain", "moves everything away from a participant, over its restarts too"),
  drainVerb("undrain", "lets a drained participant take resources again"),
];

export const weightVerb: Verb = {
  name: "weight",
  summary: "sets the share of the load that a participant takes, over its restarts too",
  usage: ["weight ID N", "weight ID own"],
  help: `      N             2 takes twice what 1 takes; 0 takes nothing new
      own           as its configuration says

`,
  async run(context) {
    const [id, text, ...rest] = context.args;
    const weight = text === "own" ? null : Number(text);
    const isRight = weight === null || (weight >= 0 && weight <= 1000);
    if (id === undefined || text === undefined || rest.length > 0 || !isRight) {
      throw usageError("it wants a participant and a weight from 0 to 1000", "weight ID N");
    }
    const path = "/api/v1/cluster/weight";
    const answer = await context.client.send<Changed>("POST", path, { participant: id, weight });
    show(context, { ...answer, participant: id, weight }, () => {
      return `${id} has ${weight === null ? "its own weight" : `the weight ${weight}`}\n`;
    });
    return 0;
  },
};

export const forgetVerb: Verb = {
  name: "forget",
  summary: "takes a participant off the list that is gone for good",
  usage: ["forget ID"],
  help: `Who is on the list is asked when ZooKeeper is lost: one that never answers keeps the others from
going on without it. One that is alive cannot be forgotten.

`,
  async run(context) {
    const id = oneArgument(context, "forget ID");
    const path = "/api/v1/cluster/forget";
    const answer = await context.client.send<Changed>("POST", path, { participant: id });
    show(context, { ...answer, participant: id }, () => `${id} is forgotten\n`);
    return 0;
  },
};

function oneArgument({ args }: VerbContext, usage: string): string {
  const [id, ...rest] = args;
  if (id === undefined || rest.length > 0) throw usageError("it wants one participant", usage);
  return id;
}
