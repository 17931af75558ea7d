import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

const label = /effectively[- ]once/i;
const pages = ["README.md", "CHANGELOG.md"].concat(
  readdirSync(join(root, "docs"), { recursive: true })
    .map((name) => `docs/${name}`)
    // That page has the titles of tests, which say it of what they show.
    .filter((name) => name.endsWith(".md") && name !== "docs/faults.md"),
);

/** What is said to be so: paragraphs, points of lists and rows of tables, each in one line. */
const claims = pages.flatMap((page) =>
  read(page)
    .split(/\n\n|\n(?=- |\| )/)
    .map((text) => text.replace(/\s+/g, " "))
    .filter((text) => label.test(text))
    .map((text) => ({ page, text })),
);

/** The pairs that a kill loop has shown, by what pages call them. */
const shown = [
  ["MysqlbinlogInput", "MySQL", "EsOutput", "Elasticsearch"],
  ["KafkaInput", "Kafka", "KafkaOutput", "Kafka"],
  ["MysqlbinlogInput", "MySQL", "KafkaOutput", "Kafka"],
] as const;

const loops: Readonly<Record<string, readonly string[]>> = {
  "test/integration/elasticsearch/kill-loop.test.ts": ["MysqlbinlogInput", "EsOutput"],
  "test/integration/kafka/exactly-once.test.ts": ["MysqlbinlogInput", "KafkaInput", "KafkaOutput"],
};

test("effectively once is said of pairs alone that a kill loop has shown", () => {
  expect(claims.length).toBeGreaterThan(3);
  const others = /\b(?:HTTP|HttpInput|stream|files?|BinlogFileInput|Mock)/i;
  for (const { page, text } of claims) {
    for (const said of text.split(/(?<=[.;]) /).filter((one) => label.test(one))) {
      // What is read is named in the same breath, what is written to before at the latest.
      const pairs = shown.filter(
        ([input, from, output, to]) =>
          (said.includes(input) || said.includes(from)) &&
          (text.includes(output) || text.includes(to)),
      );
      expect([page, said, pairs.length > 0, others.test(said)]).toEqual([page, said, true, false]);
    }
  }
});

test("each of these kill loops is there, and kills", () => {
  for (const [file, plugins] of Object.entries(loops)) {
    const text = read(file);
    for (const plugin of plugins) expect([file, text.includes(plugin)]).toEqual([file, true]);
    expect(text).toMatch(/after \$\{\w+\} times SIGKILL [^`]+\(effectively once\)`/);
  }
});
