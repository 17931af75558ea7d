import { z } from "zod";
import { DbusError, defineFilter, identMatches, type Packet, type Table } from "#plugin";

/*
 * Sends rows on under idents of their own, by database and table. The first rule that fits wins;
 * a row that no rule fits goes to `otherwise`, or is dropped.
 */
const pattern = z.string().min(1).max(200);
const ident = z.string().min(1).max(256);

const configSchema = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        database: pattern.default("*").describe("Databases, * for any run of characters."),
        table: pattern.default("*").describe("Tables, * for any run of characters."),
        ident: ident.describe("What such rows go on under; ${db} and ${tbl} stand for the names."),
      }),
    )
    .min(1)
    .max(10_000)
    .describe("In order; the first that fits a row wins."),
  otherwise: ident.optional().describe("Where rows go that no rule fits. Default: dropped."),
});

type Config = z.infer<typeof configSchema>;

type Rule = {
  readonly fits: (db: string, table: string) => boolean;
  readonly identOf: (db: string, table: string) => string;
};

type State = {
  readonly rules: readonly Rule[];
  readonly otherwise: string | null;
  /** A table is one object for as long as it is not altered, so it is looked up once. */
  readonly known: WeakMap<Table, string | null>;
};

export const mysqlbinlogFilter = defineFilter<Config, State>({
  name: "MysqlbinlogFilter",
  summary: "Sends rows on under idents of their own, by database and table",
  configSchema,
  idents: ({ rules, otherwise }) => {
    const idents = rules.map((rule) => fill(rule.ident, rule.database, rule.table));
    return [...new Set(otherwise === undefined ? idents : [...idents, otherwise])];
  },
  single: () => true,
  open: (_context, { rules, otherwise }) => ({
    rules: rules.map(compile),
    otherwise: otherwise ?? null,
    known: new WeakMap(),
  }),
  apply(state, packet) {
    const { payload, position, bytes } = packet;
    if (payload.kind !== "row") {
      throw new DbusError("FILTER_FAILED", `a packet of kind ${payload.kind} is no row`);
    }
    const to = identOf(state, payload.table);
    return to === null ? null : ({ ident: to, payload, position, bytes } satisfies Packet);
  },
});

function identOf(state: State, table: Table): string | null {
  let found = state.known.get(table);
  if (found === undefined) {
    const rule = state.rules.find(({ fits }) => fits(table.db, table.name));
    found = rule === undefined ? state.otherwise : rule.identOf(table.db, table.name);
    state.known.set(table, found);
  }
  return found;
}

function compile(rule: Config["rules"][number]): Rule {
  const { database, table } = rule;
  return {
    // Not by regular expressions: a pattern of many * would take them for ever (S14).
    fits: (dbName, tableName) => identMatches(database, dbName) && identMatches(table, tableName),
    identOf: (dbName, tableName) => fill(rule.ident, dbName, tableName),
  };
}

/** One pass, so that a name that looks like a variable stays a name. */
function fill(template: string, db: string, table: string): string {
  return template.replace(/\$\{(db|tbl)\}/g, (_, name) => (name === "db" ? db : table));
}
