/** Which rows of one table have arrived, by their ids, which are 1 to n. */
export type Tally = {
  readonly distinct: number;
  readonly doubled: number;
  add(id: number): void;
};

export function createTally(): Tally {
  let seen = new Uint8Array(1 << 12);
  let distinct = 0;
  let doubled = 0;
  return {
    get distinct() {
      return distinct;
    },
    get doubled() {
      return doubled;
    },
    add(id) {
      const at = id >> 3;
      while (at >= seen.length) {
        const larger = new Uint8Array(seen.length * 2);
        larger.set(seen);
        seen = larger;
      }
      const bit = 1 << (id & 7);
      if ((seen[at] as number) & bit) doubled++;
      else {
        seen[at] = (seen[at] as number) | bit;
        distinct++;
      }
    },
  };
}

/** Rows by table and kind of change, e.g. `backlog D`. */
export type Tallies = {
  of(table: string, dml: string): Tally;
  /** Takes the head of a row event in the row format. */
  take(head: string): void;
};

/** All that is looked at of a row: its value may have 64 MB. */
export const headBytes = 1024;
const shape = /"tbl":"(\w+)","dml":"([IUD])".*?"rows":\[\[(\d+)/;

export function createTallies(): Tallies {
  const tallies = new Map<string, Tally>();
  function of(table: string, dml: string): Tally {
    const key = `${table} ${dml}`;
    const found = tallies.get(key) ?? createTally();
    tallies.set(key, found);
    return found;
  }
  return {
    of,
    take(head) {
      const found = shape.exec(head);
      if (!found) throw new Error(`not a row event: ${head.slice(0, 200)}`);
      const [, table = "", dml = "", id] = found;
      of(table, dml).add(Number(id));
    },
  };
}

/** The heads of the lines of a stream that is cut anywhere. */
export function lineHeads(each: (head: string) => void): (chunk: Buffer) => void {
  const head = Buffer.alloc(headBytes);
  let length = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      const found = chunk.indexOf(10, at);
      const end = found < 0 ? chunk.length : found;
      length += chunk.copy(head, length, at, Math.min(end, at + headBytes - length));
      if (found >= 0) {
        each(head.latin1Slice(0, length));
        length = 0;
      }
      at = end + 1;
    }
  };
}
