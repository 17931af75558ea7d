import type { Topology } from "../api/port.ts";
import { layersOf } from "./layers.ts";
import { printable } from "./text.ts";

type Node = Topology["nodes"][number];

/** One tree for each input. What was drawn above is named again, but not what follows it. */
export function treeOf({ nodes, edges }: Topology): string {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const drawn = new Set<string>();
  const lines: string[] = [];
  function visit(name: string, lead: string, below: string): void {
    const node = byName.get(name);
    const next = edges.filter(({ from }) => from === name).map(({ to }) => to);
    const again = drawn.has(name) && next.length > 0;
    const match = node && node.match.length > 0 ? `  takes ${node.match.join(", ")}` : "";
    const more = again ? "  (as above)" : match;
    lines.push(printable(`${lead}${name} (${node?.plugin ?? "?"})${more}`));
    if (again) return;
    drawn.add(name);
    for (const [at, to] of next.entries()) {
      const last = at === next.length - 1;
      visit(to, `${below}${last ? "└─ " : "├─ "}`, `${below}${last ? "   " : "│  "}`);
    }
  }
  for (const node of nodes) if (node.kind === "input") visit(node.name, "", "");
  for (const node of nodes) if (!drawn.has(node.name)) visit(node.name, "", "");
  return lines.map((line) => `${line}\n`).join("");
}

const shapes = { input: "cds", filter: "box", output: "cylinder" } as const;

/** For `dot`; names and idents are quoted, whatever is in them. */
export function dotOf({ nodes, edges }: Topology): string {
  const escaped = (text: string) => printable(text).replace(/[\\"]/g, "\\$&");
  const quote = (text: string) => `"${escaped(text)}"`;
  const lines = [
    ...nodes.map(({ name, kind, plugin }) => {
      const label = `"${escaped(name)}\\n${escaped(plugin)}"`;
      return `  ${quote(name)} [shape=${shapes[kind]}, label=${label}];`;
    }),
    ...edges.map(({ from, to }) => `  ${quote(from)} -> ${quote(to)};`),
  ];
  return `digraph dbus {\n  rankdir=LR;\n${lines.join("\n")}\n}\n`;
}

const box = { width: 190, height: 46, gapX: 80, gapY: 22, margin: 20 } as const;
const fills = { input: "#dbeafe", filter: "#fef3c7", output: "#dcfce7" } as const;

/** A drawing from left to right that stands alone: no scripts, no fonts, nothing from elsewhere. */
export function svgOf({ nodes, edges }: Topology): string {
  const layers = layersOf(
    nodes.map(({ name }) => name),
    edges,
  );
  const rows = Math.max(1, ...layers.map((layer) => layer.length));
  const stepX = box.width + box.gapX;
  const stepY = box.height + box.gapY;
  const width = 2 * box.margin + layers.length * stepX - box.gapX;
  const height = 2 * box.margin + rows * stepY - box.gapY;
  const spots = new Map<string, { x: number; y: number }>();
  for (const [column, layer] of layers.entries()) {
    const top = box.margin + ((rows - layer.length) * stepY) / 2;
    for (const [row, name] of layer.entries()) {
      spots.set(name, { x: box.margin + column * stepX, y: top + row * stepY });
    }
  }
  const lines = edges.map(({ from, to }) => lineSvg(spots.get(from), spots.get(to)));
  const boxes = nodes.map((node) => boxSvg(node, spots.get(node.name) ?? { x: 0, y: 0 }));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" \
width="${width}" height="${height}" font-family="sans-serif" font-size="13">
<title>dbus topology</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>
${[...lines, ...boxes].join("\n")}
</svg>
`;
}

type Spot = { readonly x: number; readonly y: number };

function lineSvg(from: Spot | undefined, to: Spot | undefined): string {
  if (!from || !to) return "";
  const [x1, y1] = [from.x + box.width, from.y + box.height / 2];
  const [x2, y2] = [to.x, to.y + box.height / 2];
  const bend = Math.max(30, (x2 - x1) / 2);
  return `<path d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}" fill="none" \
stroke="#64748b" marker-end="url(#tip)"/>`;
}

function boxSvg({ name, kind, plugin, match, idents }: Node, { x, y }: Spot): string {
  const about = kind === "input" ? `sends ${idents.join(", ")}` : `takes ${match.join(", ")}`;
  const text = (dy: number, words: string, more: string) =>
    `<text x="${x + 10}" y="${y + dy}"${more}>${escapeXml(shortened(words))}</text>`;
  return `<g><title>${escapeXml(`${name}: ${about}`)}</title>\
<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="6" fill="${fills[kind]}" \
stroke="#64748b"/>${text(19, name, ' font-weight="bold"')}${text(36, plugin, ' fill="#475569"')}</g>`;
}

function shortened(text: string): string {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return printable(text).replace(/[&<>"]/g, (char) => names[char] ?? char);
}
