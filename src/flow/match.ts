/**
 * Idents and the patterns that match them. In a pattern `*` stands for any run of characters, dots
 * and the empty run included; every other character stands for itself. Case counts.
 */

const star = 42;

/**
 * Whether `ident` is matched by `pattern`. Linear for the usual pattern, and never worse than the
 * product of both lengths: on a mismatch only the last `*` is widened, so nothing explodes.
 */
export function identMatches(pattern: string, ident: string): boolean {
  let p = 0;
  let i = 0;
  let lastStar = -1;
  let widened = 0;
  while (i < ident.length) {
    if (p < pattern.length && pattern.charCodeAt(p) === star) {
      lastStar = p++;
      widened = i;
    } else if (p < pattern.length && pattern.charCodeAt(p) === ident.charCodeAt(i)) {
      p++;
      i++;
    } else if (lastStar >= 0) {
      p = lastStar + 1;
      i = ++widened;
    } else {
      return false;
    }
  }
  while (p < pattern.length && pattern.charCodeAt(p) === star) p++;
  return p === pattern.length;
}

/**
 * Whether some ident is matched by both patterns. One row of a table at a time: `row[j]` says
 * whether the rest of `a` and the rest of `b` from `j` on can spell the same ident.
 */
export function patternsIntersect(a: string, b: string): boolean {
  if (!isPattern(a)) return identMatches(b, a);
  if (!isPattern(b)) return identMatches(a, b);
  let below = new Array<boolean>(b.length + 1).fill(false);
  for (let i = a.length; i >= 0; i--) {
    const row = new Array<boolean>(b.length + 1).fill(false);
    for (let j = b.length; j >= 0; j--) {
      const starA = i < a.length && a.charCodeAt(i) === star;
      const starB = j < b.length && b.charCodeAt(j) === star;
      if (i === a.length && j === b.length) row[j] = true;
      else if (starA && (below[j] || (j < b.length && row[j + 1]))) row[j] = true;
      else if (starB && (row[j + 1] || (i < a.length && below[j]))) row[j] = true;
      else if (i < a.length && j < b.length && !starA && !starB)
        row[j] = a.charCodeAt(i) === b.charCodeAt(j) && below[j + 1] === true;
    }
    below = row;
  }
  return below[0] === true;
}

/** Whether a pattern can match more than the one ident that it spells. */
export function isPattern(pattern: string): boolean {
  return pattern.includes("*");
}
