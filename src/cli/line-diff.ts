const contextLines = 3;
/** Above so many pairs of lines the middle is shown as replaced whole. */
const cellsMax = 4_000_000;

type Line = { readonly kind: " " | "-" | "+"; readonly text: string };

/** The lines that differ between two texts, as `diff -u` shows them; empty when none do. */
export function lineDiff(before: string, after: string): string {
  const lines = compared(before.split("\n"), after.split("\n"));
  const changed = lines.flatMap(({ kind }, at) => (kind === " " ? [] : [at]));
  if (changed.length === 0) return "";
  let text = "";
  let [was, is] = [1, 1];
  let shownTo = -1;
  for (const [at, { kind, text: line }] of lines.entries()) {
    const isNear = changed.some((one) => Math.abs(one - at) <= contextLines);
    if (isNear) {
      if (shownTo !== at - 1 || at === 0) text += `@@ -${was} +${is} @@\n`;
      text += `${kind}${line}\n`;
      shownTo = at;
    }
    if (kind !== "+") was++;
    if (kind !== "-") is++;
  }
  return text;
}

function compared(before: readonly string[], after: readonly string[]): Line[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  const rest = Math.min(before.length, after.length) - head;
  while (tail < rest && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const old = before.slice(head, before.length - tail);
  const now = after.slice(head, after.length - tail);
  const same = (text: string): Line => ({ kind: " ", text });
  return [
    ...before.slice(0, head).map(same),
    ...middle(old, now),
    ...before.slice(before.length - tail).map(same),
  ];
}

/** By the longest common subsequence. */
function middle(old: readonly string[], now: readonly string[]): Line[] {
  const gone = (text: string): Line => ({ kind: "-", text });
  const came = (text: string): Line => ({ kind: "+", text });
  if (old.length * now.length > cellsMax) return [...old.map(gone), ...now.map(came)];
  const width = now.length + 1;
  const longest = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const below = longest[(i + 1) * width + j] ?? 0;
      const right = longest[i * width + j + 1] ?? 0;
      const next = (longest[(i + 1) * width + j + 1] ?? 0) + 1;
      longest[i * width + j] = old[i] === now[j] ? next : Math.max(below, right);
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    const below = longest[(i + 1) * width + j] ?? 0;
    const right = longest[i * width + j + 1] ?? 0;
    if (old[i] === now[j]) {
      lines.push({ kind: " ", text: old[i++] ?? "" });
      j++;
    } else if (below >= right) lines.push(gone(old[i++] ?? ""));
    else lines.push(came(now[j++] ?? ""));
  }
  return [...lines, ...old.slice(i).map(gone), ...now.slice(j).map(came)];
}
