import { DbusError, type Packet, type Table } from "#plugin";
import { parseTemplate, type Template } from "#src/format/template.ts";

const variables = ["db", "tbl", "ident"];
const lengthMax = 249;
const namesMax = 100_000;

/** What is wrong with a topic template, or undefined. */
export function checkTemplate(template: string): string | undefined {
  const { fixed, variables: used } = parseTemplate(template);
  const unknown = used.find((name) => !variables.includes(name));
  if (unknown !== undefined) {
    return `\${${unknown}} is not known here: write \${db}, \${tbl} or \${ident}`;
  }
  if (template === "" || /[^a-zA-Z0-9._-]/.test(fixed)) {
    return "a topic is made of letters, digits, . _ and -";
  }
  return undefined;
}

/** Gives each packet its topic. Throws `KAFKA_TOPIC_COLLISION`, `KAFKA_TOPIC_INVALID`. */
export type TopicNames = (packet: Packet) => string;

type Values = { readonly db: string; readonly tbl: string; readonly ident: string };

export function createTopicNames(template: string): TopicNames {
  const ofTables = new WeakMap<Table, Map<string, string>>();
  const ofIdents = new Map<string, string>();
  /** What each topic was made of, to find two sources that end up under one name. */
  const sources = new Map<string, string>();
  const form = parseTemplate(template);
  const perIdent = form.variables.includes("ident");
  const rowsOnly = form.variables.some((name) => name !== "ident");
  const ofOthers = rowsOnly ? parseTemplate("${ident}") : form;

  function make({ fill }: Template, values: Values): string {
    let parts = "";
    const topic = fill((name) => {
      const value = values[name as keyof Values];
      parts += `${JSON.stringify(value)} `;
      return value.replace(/[^a-zA-Z0-9._-]/g, "_");
    });
    if (topic === "" || topic === "." || topic === ".." || topic.length > lengthMax) {
      throw new DbusError("KAFKA_TOPIC_INVALID", `no topic can be called ${JSON.stringify(topic)}`);
    }
    const other = sources.get(topic);
    if (other !== undefined && other !== parts) {
      throw new DbusError(
        "KAFKA_TOPIC_COLLISION",
        `${other}and ${parts}both lead to topic ${topic}`,
      );
    }
    if (sources.size >= namesMax) sources.clear();
    sources.set(topic, parts);
    return topic;
  }

  function ofTable(table: Table, ident: string): string {
    const known = ofTables.get(table);
    const under = perIdent ? ident : "";
    const topic = known?.get(under);
    if (topic !== undefined) return topic;
    const made = make(form, { db: table.db, tbl: table.name, ident });
    const kept = known && known.size < namesMax ? known : new Map<string, string>();
    ofTables.set(table, kept.set(under, made));
    return made;
  }

  function ofIdent(ident: string): string {
    const topic = ofIdents.get(ident);
    if (topic !== undefined) return topic;
    const made = make(ofOthers, { db: "", tbl: "", ident });
    if (ofIdents.size >= namesMax) ofIdents.clear();
    ofIdents.set(ident, made);
    return made;
  }

  return ({ ident, payload }) =>
    payload.kind === "row" ? ofTable(payload.table, ident) : ofIdent(ident);
}
