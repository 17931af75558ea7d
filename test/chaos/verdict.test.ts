import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Column, JsonText, type RowChange, type Table, type Value } from "#src/flow/packet.ts";
import { createFormat } from "#src/format/format.ts";
import { type Change, type Item, itemColumns } from "../support/ledger.ts";
import { applyPlan, changesOf, type LedgerModel, planTransaction } from "../support/ledger-plan.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { tempDir } from "../support/temp-dir.ts";
import { fileSink } from "./sinks.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

const kinds: Readonly<Record<string, Column["kind"]>> = {
  ...{ id: "int", n: "int", writer: "int", seq: "bigint", amount: "decimal", big: "bigint" },
  ...{ moment: "datetime", bin: "binary", note: "text", doc: "json", sum: "text" },
};
const columns = [...itemColumns, "sum"].map((name): Column => {
  return {
    name,
    kind: kinds[name]!,
    type: name === "moment" ? "datetime(6)" : "x",
    nullable: false,
  };
});
const table: Table = { db: "ledger", name: "item", columns, primaryKey: [0] };

function imageOf(item: Item, sum: string): Value[] {
  return columns.map(({ name, kind }): Value => {
    const text = name === "sum" ? sum : item[name as keyof Item];
    if (kind === "int") return Number(text);
    if (kind === "bigint") return BigInt(text);
    if (kind === "binary") return Buffer.from(text, "base64");
    return kind === "json" ? new JsonText(text) : text;
  });
}

/** What a writer commits, and the lines that dbus itself makes of its rows, updates left out. */
function committedLines(format: "row" | "debezium"): { changes: Change[]; lines: string[] } {
  const random = seededRandom(5);
  const encode = createFormat(format);
  const model: LedgerModel = { writer: 1, seq: 0, lastN: new Map(), rows: new Map() };
  const changes: Change[] = [];
  const lines: string[] = [];
  for (const size of [1, 40, 300]) {
    const options = { keys: 60, changesMax: size, rowsOf: () => size };
    const plan = planTransaction(model, random, options);
    applyPlan(model, plan);
    for (const { op, item, sum } of changesOf(plan)) {
      changes.push({ key: `item:${item.id}`, op, n: Number(item.n), sum });
      const image = imageOf(item, sum);
      const before = op === "I" ? undefined : image;
      const after = op === "D" ? undefined : image;
      const txn = { gtid: undefined, serverId: 1 };
      const place = { ordinal: 0, log: "binlog.000001", pos: 4, ts: 1 };
      const payload: RowChange = { kind: "row", op, table, before, after, txn, ...place };
      lines.push(`${encode.value({ ident: "i", payload, position: 0, bytes: 1 })}`);
    }
  }
  return { changes, lines };
}

const dir = tempDir("verdict");
const bound = {
  ...{ runs: [{ startedAt: 0, endedAt: Number.POSITIVE_INFINITY, clean: false }], stalls: [] },
  ...{ windowRecords: 1, checkpointMs: 1 },
};

async function judge(changes: readonly Change[], lines: readonly string[]): Promise<Verdict> {
  const file = join(dir, "rows.ndjson");
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return verdictOf("file", changes, await fileSink(file).read(), bound);
}

const counts = ({ lost, corrupted, reordered, duplicated }: Verdict) => ({
  ...{ lost, corrupted, reordered, duplicated },
});
const clean = { lost: 0, corrupted: 0, reordered: 0, duplicated: 0 };

for (const format of ["row", "debezium"] as const) {
  describe(`the verdict on lines of the ${format} format`, () => {
    const { changes, lines } = committedLines(format);
    const at = (random: Random) => random.int(0, lines.length - 1);

    /** Eight streams with one wrong thing each, which the verdict must name. */
    async function each(damage: (lines: string[], random: Random) => void) {
      const verdicts: Verdict[] = [];
      for (let seed = 1; seed <= 8; seed++) {
        const damaged = [...lines];
        damage(damaged, seededRandom(seed));
        verdicts.push(await judge(changes, damaged));
      }
      expect(verdicts.filter(({ problems }) => problems.length === 0)).toEqual([]);
      return verdicts;
    }

    test("is that nothing is wrong with what was committed", async () => {
      const verdict = await judge(changes, lines);
      expect([verdict.problems, counts(verdict)]).toEqual([[], clean]);
    });

    test("is lost when a line is removed", async () => {
      const verdicts = await each((damaged, random) => damaged.splice(at(random), 1));
      for (const verdict of verdicts) expect(verdict.lost).toBe(1);
    });

    test("is twice when a line is doubled", async () => {
      const verdicts = await each((damaged, random) => {
        const place = at(random);
        damaged.splice(place, 0, damaged[place]!);
      });
      for (const verdict of verdicts) expect(counts(verdict)).toEqual({ ...clean, duplicated: 1 });
    });

    test("is reordered when two lines of a key are swapped", async () => {
      const verdicts = await each((damaged, random) => {
        const pairs = changes.flatMap(({ key }, index) => {
          const next = changes.findIndex((other, later) => later > index && other.key === key);
          return next < 0 ? [] : [[index, next] as const];
        });
        const [first, second] = random.pick(pairs);
        [damaged[first], damaged[second]] = [damaged[second]!, damaged[first]!];
      });
      for (const verdict of verdicts) expect(verdict.reordered).toBeGreaterThan(0);
    });

    test("is corrupted when a digit of an amount, or a whole line, is not what it was", async () => {
      const wrong = await each((damaged, random) => {
        const place = at(random);
        damaged[place] = damaged[place]!.replaceAll(/(\d)\.(\d)/g, (_, a, b) => {
          return `${a}.${(Number(b) + 1) % 10}`;
        });
      });
      for (const verdict of wrong) expect(counts(verdict)).toEqual({ ...clean, corrupted: 1 });
      const torn = await each((damaged, random) => {
        const place = at(random);
        damaged[place] = damaged[place]!.slice(0, -random.int(1, 60));
      });
      for (const verdict of torn) expect(verdict.corrupted).toBe(1);
    });
  });
}
