import { basename } from "node:path";
import { linesWith, type Rule, type SourceFile } from "./source-file.ts";

/** Files that may be longer than 300 lines, each with the reason. */
const longFiles: Readonly<Record<string, string>> = {
  "src/errors.ts": "the one closed table of error codes: its use is to be on one page",
};

const linesMax = 300;
/** Tables of cases make a test longer, not harder to read. */
const testLinesMax = 500;

const product = /^(src|actors|plugins)\//;
const testFile = /\.test\.ts$/;

/** A rule about words that may not appear in the code of some files. */
function without(name: string, pattern: RegExp, what: string, where = /./, not = /^$/): Rule {
  return {
    name,
    check: (file) =>
      where.test(file.path) && !not.test(file.path) ? linesWith(file.code, pattern, what) : [],
  };
}

export const houseRules: readonly Rule[] = [
  without("default export", /^export default\b/gm, "give the export its name"),
  without("enum", /\b(?:const )?enum [A-Z]\w* *\{/g, "use a union of strings"),
  without("any", /[:<|&,]\s*any\b(?!\s*[(:])|\bas any\b/g, "use unknown and narrow it"),
  without("class hierarchy", /\bclass \w+ extends (?!Error\b|DbusError\b)\w+/g, "compose instead"),
  without("console", /\bconsole\.\w+\(/g, "log through src/log.ts, print through a stream"),
  without("mock.module", /\bmock\.module\(/g, "it leaks between test files: inject a port"),
  without("test.only", /\b(?:test|it|describe)\.only\(/g, "it hides the other tests"),
  without(
    "silent skip",
    /\b(?:test|it|describe)\.(?:skip|todo|skipIf|if)\(/g,
    "a skip must shout: use useServices or useStarted",
    testFile,
  ),
  without(
    "waiting for time",
    /\bBun\.sleep(?:Sync)?\(|\bsetTimeout\(/g,
    "wait for a condition, or that it holds: waitFor and holdsFor of test/support",
    testFile,
    // Its subject is the waiting itself.
    /^test\/support\//,
  ),
  without(
    "time past the clock",
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bset(?:Timeout|Interval)\(|\bhrtime\b|\bBun\.nanoseconds\b/g,
    "the clock is handed in, or is systemClock: now for control, wall for timestamps alone",
    product,
    /^src\/clock\.ts$/,
  ),
  { name: "suppressed types", check: suppressedTypes },
  { name: "notes left behind", check: notes },
  { name: "file length", check: fileLength },
  { name: "file name", check: fileName },
  { name: "paths of a machine", check: machinePaths },
];

function suppressedTypes(file: SourceFile): readonly string[] {
  const pattern = /@ts-(?:ignore|nocheck)\b/g;
  if (file.path.startsWith("test/tidy")) return [];
  return linesWith(file.text, pattern, "the types are right or the code is not");
}

function notes(file: SourceFile): readonly string[] {
  if (file.path.startsWith("test/tidy")) return [];
  return linesWith(file.text, /\b(?:TODO|FIXME|XXX)\b/g, "do it, or file an issue");
}

function fileLength(file: SourceFile): readonly string[] {
  const lines = file.text.split("\n").length - 1;
  const max = file.path.startsWith("test/") ? testLinesMax : linesMax;
  if (lines <= max || longFiles[file.path] !== undefined) return [];
  return [`${lines} lines: divide it, or name it with a reason in test/tidy/house-rules.ts`];
}

function fileName(file: SourceFile): readonly string[] {
  const name = basename(file.path);
  return /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|d))?\.ts$/.test(name) ? [] : ["use kebab-case"];
}

/** Home folders and work folders of whoever wrote it work nowhere else. */
function machinePaths(file: SourceFile): readonly string[] {
  const where = product.test(file.path) ? /["'`]\/(?:work|root|home|tmp|Users)\//g : homes;
  if (file.path.startsWith("test/tidy")) return [];
  return linesWith(file.text, where, "a path of one machine");
}

const homes = /["'`]\/(?:work|root|home|Users)\//g;
