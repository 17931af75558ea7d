import { type Change, type Item, sumOf } from "./ledger.ts";
import type { Random } from "./random.ts";

/** What a writer knows of its keys: `n` of each key that ever was, and the rows that are there. */
export type LedgerModel = {
  readonly writer: number;
  /** The number of the last transaction that was committed. */
  seq: number;
  readonly lastN: Map<string, number>;
  readonly rows: Map<string, Item>;
};

export type Step = {
  /** M moves a row to a key that no row has: the primary key itself is updated. */
  readonly op: Change["op"] | "M";
  readonly item: Item;
  readonly sum: string;
  /** The row as it was before it was moved. */
  readonly from?: Item;
};

/** One transaction: what it does, in order, and whether it ends in COMMIT. */
export type Plan = {
  readonly seq: number;
  readonly steps: readonly Step[];
  readonly commit: boolean;
};

export type PlanOptions = {
  /** Keys of each writer. */
  readonly keys: number;
  /** The largest transaction, in rows. */
  readonly changesMax: number;
  /** The rows of the next transaction; mostly few and now and then up to the most, unless told. */
  readonly rowsOf?: (random: Random) => number;
};

/** Keys of different writers never meet, so the order of each key is the order of its writer. */
export function keyOf(writer: number, index: number): string {
  return String(writer * 1_000_000 + index);
}

/**
 * Plans the next transaction, in runs of one kind over different keys, so that the server writes
 * events of many rows. One in twenty is rolled back.
 */
export function planTransaction(model: LedgerModel, random: Random, options: PlanOptions): Plan {
  const seq = model.seq + 1;
  const goal = options.rowsOf?.(random) ?? sizeOf(random, options.changesMax);
  const lastN = new Map<string, number>();
  const rows = new Map<string, Item | null>();
  const steps: Step[] = [];
  const rowAt = (id: string) => (rows.has(id) ? rows.get(id) : model.rows.get(id)) ?? null;
  const newRow = (id: string) => {
    const n = (lastN.get(id) ?? model.lastN.get(id) ?? 0) + 1;
    lastN.set(id, n);
    return randomItem(random, { id, n, seq, model });
  };
  const idAt = (index: number) => keyOf(model.writer, index % options.keys);
  const freeId = () => {
    const tried = Array.from({ length: 8 }, () => idAt(random.int(0, options.keys - 1)));
    return tried.find((id) => rowAt(id) === null);
  };
  const stepOf = (wish: Step["op"], index: number): Step => {
    const there = rowAt(idAt(index));
    if (there === null) return written("I", newRow(idAt(index)));
    // A delete is seen with the row that it removes, so it has that row's number.
    if (wish === "D") return { op: "D", item: there, sum: sumOf(there) };
    const free = wish === "M" ? freeId() : undefined;
    if (free === undefined) return written("U", newRow(there.id));
    return { ...written("M", newRow(free)), from: there };
  };
  while (steps.length < goal) {
    const run = Math.min(goal - steps.length, random.int(1, 25));
    const wish = random.pick(["I", "U", "U", "U", "D", "M"] as const);
    const first = random.int(0, options.keys - 1);
    for (let index = 0; index < run; index++) {
      const step = stepOf(wish, first + index);
      if (step.from !== undefined) rows.set(step.from.id, null);
      rows.set(step.item.id, step.op === "D" ? null : step.item);
      steps.push(step);
    }
  }
  return { seq, steps, commit: !random.chance(0.05) };
}

function written(op: "I" | "U" | "M", item: Item): Step {
  return { op, item, sum: sumOf(item) };
}

type Logged = { readonly op: Change["op"]; readonly item: Item; readonly sum: string };

/** What a plan changes, key by key: a move is the delete of one key and the insert of another. */
export function changesOf(plan: Plan): Logged[] {
  return plan.steps.flatMap(({ op, item, sum, from }): Logged[] => {
    if (op !== "M") return [{ op, item, sum }];
    if (from === undefined) throw new Error(`a move to ${item.id} from nowhere`);
    return [
      { op: "D", item: from, sum: sumOf(from) },
      { op: "I", item, sum },
    ];
  });
}

/** Takes a committed plan into the model. */
export function applyPlan(model: LedgerModel, plan: Plan): void {
  model.seq = plan.seq;
  for (const { op, item } of changesOf(plan)) {
    if (op === "D") model.rows.delete(item.id);
    else model.rows.set(item.id, item);
    model.lastN.set(item.id, Number(item.n));
  }
}

function sizeOf(random: Random, max: number): number {
  const kind = random.next();
  if (kind < 0.7) return random.int(1, Math.min(5, max));
  if (kind < 0.93) return random.int(1, Math.min(40, max));
  return random.int(1, max);
}

type Identity = {
  readonly id: string;
  readonly n: number;
  readonly seq: number;
  readonly model: LedgerModel;
};

function randomItem(random: Random, { id, n, seq, model }: Identity): Item {
  const digits = (count: number) => String(random.int(0, 10 ** count - 1)).padStart(count, "0");
  const big = (BigInt(random.int(0, 2 ** 32 - 1)) << 32n) | BigInt(random.int(0, 2 ** 32 - 1));
  const ref = BigInt(random.int(0, 2 ** 31)) * 4_294_967_311n;
  return {
    ...{ id, n: String(n), writer: String(model.writer), seq: String(seq) },
    amount: `${random.chance(0.3) ? "-" : ""}${random.int(1, 999_999)}.${digits(6)}`,
    moment: `2026-0${random.int(1, 9)}-1${random.int(0, 9)} 0${random.int(0, 9)}:05:59.${digits(6)}`,
    big: big.toString(),
    bin: Buffer.from(random.bytes(random.int(0, 64))).toString("base64"),
    note: random.pick(notes).repeat(random.int(1, 12)),
    doc: `{"tags":["a","ß"],"ref":${ref},"deep":{"ok":${random.chance(0.5)},"none":null}}`,
  };
}

const notes = ["plain text, ", "quote ' and \\ slash ", "naïve 東京 ", "tab\tand\nline ", "🚌 "];
