import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileNameOf } from "#plugins/output/stream/sink-folder.ts";
import { streamOutput } from "#plugins/output/stream/stream-output.ts";
import { fakeOutputContext } from "../../../support/fake-context.ts";
import { packetOf } from "../../../support/packets.ts";
import { tempDir } from "../../../support/temp-dir.ts";

test("each ident has a file of its own, in its order, and far more of them than may be open", async () => {
  const folder = join(tempDir("folder"), "out");
  const { context } = fakeOutputContext();
  const config = streamOutput.configSchema.parse({ folder, lines: "raw", fsync: "none" });
  const output = await streamOutput.open(context, config);
  const idents = Array.from({ length: 250 }, (_, i) => `topic.${i}`);
  for (let round = 0; round < 3; round++) {
    const packets = idents.flatMap((ident) => [1, 2].map((n) => packetOf(ident, 2 * round + n)));
    expect(await streamOutput.write(output, packets, context)).toBeUndefined();
  }
  await streamOutput.close?.(output);
  expect(readdirSync(folder)).toHaveLength(250);
  for (const ident of idents) {
    const text = readFileSync(join(folder, `${ident}.ndjson`), "utf8");
    expect(text).toBe("1\n2\n3\n4\n5\n6\n");
  }
});

test("no ident leaves the folder, and no two have one file (S10)", () => {
  const idents = [
    "a/b",
    "a%2fb",
    "..",
    ".",
    "../../etc/passwd",
    "a b",
    "ä",
    "a\nb",
    ".hidden",
    "a",
  ];
  const names = idents.map(fileNameOf);
  expect(new Set(names).size).toBe(idents.length);
  for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_%-][a-zA-Z0-9._%-]*\.ndjson$/);
  expect(() => fileNameOf("x".repeat(300))).toThrow("names no file");
});
