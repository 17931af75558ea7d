import { readFileSync } from "node:fs";
import { argv, exit, stdout } from "node:process";

/**
 * Sums the parts that `audit.yaml` has written, over every start of dbusd, and prints the topics and
 * minutes of which not as many changes have arrived as were read. Ends with 1 when there are any.
 *
 *   bun etc/audit-sum.ts data/counts/counts.ndjson
 */
const sums = new Map<string, { window: string; topic: string; read: number; written: number }>();
let parts = 0;
for (const line of readFileSync(argv[2] ?? "data/counts/counts.ndjson", "utf8").split("\n")) {
  if (line === "") continue;
  const { window, topic, side, count } = JSON.parse(line) as {
    window: string;
    topic: string;
    side: "read" | "written";
    count: number;
  };
  const key = JSON.stringify([window, topic]);
  const sum = sums.get(key) ?? { window, topic, read: 0, written: 0 };
  sum[side] += count;
  sums.set(key, sum);
  parts++;
}
const different = [...sums.values()].filter(({ read, written }) => read !== written);
for (const sum of different) {
  stdout.write(`${JSON.stringify({ ...sum, difference: sum.read - sum.written })}\n`);
}
stdout.write(`${parts} parts, ${sums.size} topics and minutes, ${different.length} differ\n`);
exit(different.length === 0 ? 0 : 1);
