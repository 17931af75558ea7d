import { expect, test } from "bun:test";
import fc from "fast-check";
import { layersOf } from "#src/cli/layers.ts";
import { bytesText, durationText, printable, tableText } from "#src/cli/text.ts";
import { dotOf, svgOf } from "#src/cli/topology-text.ts";

test("each name stands once, and every edge of a DAG leads to the right", () => {
  const dag = fc.integer({ min: 1, max: 12 }).chain((count) => {
    const edge = fc
      .tuple(fc.nat(count - 1), fc.nat(count - 1))
      .filter(([a, b]) => a < b)
      .map(([a, b]) => ({ from: `n${a}`, to: `n${b}` }));
    return fc.record({
      names: fc.constant(Array.from({ length: count }, (_, at) => `n${at}`)),
      edges: count > 1 ? fc.array(edge, { maxLength: 20 }) : fc.constant([]),
    });
  });
  fc.assert(
    fc.property(dag, ({ names, edges }) => {
      const layers = layersOf(names, edges);
      expect(layers.flat().sort()).toEqual([...names].sort());
      const column = (name: string) => layers.findIndex((layer) => layer.includes(name));
      for (const { from, to } of edges) expect(column(from)).toBeLessThan(column(to));
    }),
  );
});

test("neighbours stand beside one another: two separate lines do not cross", () => {
  const names = ["a", "b", "y", "x"];
  const edges = [
    { from: "a", to: "x" },
    { from: "b", to: "y" },
  ];
  expect(layersOf(names, edges)).toEqual([
    ["a", "b"],
    ["x", "y"],
  ]);
});

test("a cycle, which the config refuses, still ends and draws every name", () => {
  const edges = [
    { from: "a", to: "b" },
    { from: "b", to: "a" },
  ];
  expect(layersOf(["a", "b"], edges).flat().sort()).toEqual(["a", "b"]);
});

const nasty = {
  nodes: [
    { name: 'x"]<script>&', kind: "input", plugin: "P\u001b[31m\n", match: [], idents: ["<i>"] },
  ],
  edges: [],
} as const;

test("a name is never markup, whatever is in it", () => {
  const svg = svgOf(nasty);
  expect(svg).not.toContain("<script>");
  expect(svg).not.toContain("<i>");
  expect(svg).not.toContain("\u001b");
  const dot = dotOf(nasty);
  expect(dot).toContain('"x\\"]<script>&"');
  expect(dot.split("\n")).toHaveLength(5);
});

test("a drawing is well-formed: each element that is opened is closed", async () => {
  const svg = svgOf({
    nodes: [
      { name: "a", kind: "input", plugin: "P", match: [], idents: ["a"] },
      { name: "b", kind: "output", plugin: "Q", match: ["a"], idents: [] },
    ],
    edges: [{ from: "a", to: "b" }],
  });
  const open: string[] = [];
  for (const [, close, name, self] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(name as string);
    else if (!self) open.push(name as string);
  }
  expect(open).toEqual([]);
  expect(svg.match(/<rect/g)).toHaveLength(2);
  expect(svg.match(/marker-end/g)).toHaveLength(1);
});

test("a table puts numbers to the right and control characters into words", () => {
  expect(
    tableText(
      ["A", "N"],
      [
        ["x\u001b[2Jy", 12_345],
        ["z", null],
      ],
    ),
  ).toBe("A                 N\nx\\u001b[2Jy  12,345\nz                 -\n");
  expect(printable("a\u2028b\u202ec\td")).toBe("a\\u2028b\\u202ec\td");
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [83_886_080, "80.0 MiB"],
  [2 ** 40 * 1500, "1500 TiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [400, "0.4s"],
  [61_000, "1m 1s"],
  [3_600_000, "1h 0m"],
  [97_200_000, "1d 3h"],
])("%d ms are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});
