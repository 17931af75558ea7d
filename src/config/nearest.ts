/**
 * The word nearest to what was written, when it is near enough to be meant: at most a third of its
 * letters changed (two at the least, but one of three), by Damerau-Levenshtein distance, case not
 * counted.
 */
export function nearest(written: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  const least = written.length > 3 ? 2 : 1;
  let bestDistance = Math.max(least, Math.floor(written.length / 3)) + 1;
  for (const word of words) {
    if (Math.abs(word.length - written.length) >= bestDistance) continue;
    const distance = editDistance(written.toLowerCase(), word.toLowerCase());
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** `did you mean "topic"?`, or the whole choice when nothing is near. */
export function meant(written: string, words: readonly string[], what: string): string {
  const word = nearest(written, words);
  if (word !== undefined) return `did you mean "${word}"?`;
  return words.length === 0 ? `there is no ${what}` : `${what}: ${words.join(", ")}`;
}

/** Insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  const cell = new Uint16Array((a.length + 1) * width);
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      const at = i * width + j;
      if (i === 0 || j === 0) {
        cell[at] = i + j;
        continue;
      }
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(cell[at - width]! + 1, cell[at - 1]! + 1, cell[at - width - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, cell[at - 2 * width - 2]! + 1);
      }
      cell[at] = least;
    }
  }
  return cell[cell.length - 1]!;
}
