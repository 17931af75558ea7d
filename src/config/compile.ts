import type { Place } from "../errors.ts";
import { patternsIntersect } from "../flow/match.ts";
import type { FilterEntry, InputEntry, OutputEntry } from "./config.ts";
import { nearest } from "./nearest.ts";
import type { Problem } from "./problem.ts";

export type Edge = { readonly from: string; readonly to: string };
export type Graph = { readonly edges: readonly Edge[]; readonly problems: readonly Problem[] };
export type Entries = {
  readonly inputs: readonly InputEntry[];
  readonly filters: readonly FilterEntry[];
  readonly outputs: readonly OutputEntry[];
};

type Sender = InputEntry | FilterEntry;
export type Receiver = FilterEntry | OutputEntry;

/**
 * Draws an edge wherever something that a sender may emit can be matched by a receiver, and says
 * what is wrong with the drawing: a cycle (invariant 5), a match that nothing can send, and, as a
 * warning, a sender that nobody listens to.
 */
export function compileGraph(
  { inputs, filters, outputs }: Entries,
  placeOfMatch: (receiver: Receiver, match: string) => Place = (receiver) => receiver.place,
): Graph {
  const senders: readonly Sender[] = [...inputs, ...filters];
  const receivers: readonly Receiver[] = [...filters, ...outputs];
  const edges: Edge[] = [];
  for (const from of senders) {
    for (const to of receivers) {
      if (meet(from.idents, to.match)) edges.push({ from: from.name, to: to.name });
    }
  }
  const problems = [
    ...receivers.flatMap((receiver) => unsendable(receiver, senders, placeOfMatch)),
    ...senders.flatMap((sender) => unheard(sender, edges)),
    ...cyclesOf(filters, edges),
  ];
  return { edges, problems };
}

function meet(idents: readonly string[], matches: readonly string[]): boolean {
  return idents.some((ident) => matches.some((match) => patternsIntersect(ident, match)));
}

function unsendable(
  receiver: Receiver,
  senders: readonly Sender[],
  placeOfMatch: (receiver: Receiver, match: string) => Place,
): readonly Problem[] {
  const sent = [...new Set(senders.flatMap((one) => one.idents))];
  const others = [
    ...new Set(senders.filter((one) => one.name !== receiver.name).flatMap((one) => one.idents)),
  ];
  return receiver.match
    .filter((match) => !meet(sent, [match]))
    .map((match) => {
      const near = nearest(match, others);
      const known = others.length > 0 ? `what is sent: ${others.slice(0, 20).join(", ")}` : "";
      return {
        severity: "error",
        code: "CONFIG_GRAPH",
        message: `${receiver.name} matches ${match}, which nothing can send`,
        place: placeOfMatch(receiver, match),
        remedy: near ? `did you mean "${near}"?` : known || "add an input",
      };
    });
}

function unheard(sender: Sender, edges: readonly Edge[]): readonly Problem[] {
  if (edges.some((edge) => edge.from === sender.name)) return [];
  return [
    {
      severity: "warning",
      code: "CONFIG_GRAPH",
      message: `nothing matches what ${sender.name} sends: ${sender.idents.join(", ")}`,
      place: sender.place,
      remedy: `add "${sender.idents[0] ?? sender.name}" to the match of a filter or output`,
    },
  ];
}

/** Depth first; each cycle is named once, from the filter of it that comes first in the file. */
function cyclesOf(filters: readonly FilterEntry[], edges: readonly Edge[]): readonly Problem[] {
  const byName = new Map(filters.map((filter) => [filter.name, filter]));
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) {
    if (byName.has(from) && byName.has(to)) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const problems: Problem[] = [];
  const finished = new Set<string>();
  function visit(name: string, way: readonly string[]): void {
    const start = way.indexOf(name);
    if (start >= 0) {
      problems.push(cycleProblem(byName, [...way.slice(start), name]));
      return;
    }
    if (finished.has(name)) return;
    for (const to of next.get(name) ?? []) visit(to, [...way, name]);
    finished.add(name);
  }
  for (const filter of filters) visit(filter.name, []);
  return problems;
}

function cycleProblem(byName: ReadonlyMap<string, FilterEntry>, way: readonly string[]): Problem {
  const last = byName.get(way.at(-2) ?? "");
  const first = byName.get(way[0] ?? "");
  const through =
    last?.idents.find((ident) => first?.match.some((match) => patternsIntersect(ident, match))) ??
    "";
  const where = way.length === 2 ? "itself" : `${way[0]} again`;
  return {
    severity: "error",
    code: "CONFIG_GRAPH",
    message: `a cycle: ${way.join(" -> ")}`,
    place: { ...first?.place },
    remedy:
      `${way.at(-2)} sends ${through} to ${where}: ` +
      `give it another ident, or narrow the match of ${way[0]}`,
  };
}
