import type { ActorStatus } from "../../api/port.ts";
import { tableText } from "../text.ts";
import { show, type Verb } from "../verb.ts";

export const supervisorVerb: Verb = {
  name: "supervisor",
  summary: "the supervision tree: state, restarts, mailbox and credit of each actor",
  usage: ["supervisor"],
  async run(context) {
    const root = await context.client.get<ActorStatus>("/api/v1/supervisor");
    show(context, root, () => supervisorText(root));
    return 0;
  },
};

function supervisorText(root: ActorStatus): string {
  const rows: (string | number | null)[][] = [];
  function visit(actor: ActorStatus, indent: string): void {
    const name = actor.path.split("/").at(-1) ?? actor.path;
    const credit = Object.entries(actor.credit).map(([to, left]) => `${to} ${left}`);
    rows.push([
      indent + name + (actor.strategy ? ` (${actor.strategy})` : ""),
      actor.state,
      actor.restarts,
      actor.mailbox.depth,
      actor.handled,
      Math.round(actor.busyMs),
      credit.length > 0 ? credit.join(", ") : null,
      actor.lastError ? `${actor.lastError.code}: ${actor.lastError.message}` : null,
    ]);
    for (const child of actor.children) visit(child, `${indent}  `);
  }
  visit(root, "");
  const header = [
    "ACTOR",
    "STATE",
    "RESTARTS",
    "MAIL",
    "HANDLED",
    "BUSY MS",
    "CREDIT",
    "LAST ERROR",
  ];
  return tableText(header, rows);
}
