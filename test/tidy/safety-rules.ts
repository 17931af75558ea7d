import { linesWith, type Rule, type SourceFile } from "./source-file.ts";

/*
 * What the product never does, and the few files that do something like it, each with the reason.
 */
const product = /^(src|actors|plugins)\//;

type Ban = {
  readonly name: string;
  readonly pattern: RegExp;
  readonly what: string;
  readonly allowed: Readonly<Record<string, string>>;
};

const bans: readonly Ban[] = [
  {
    name: "code from text (S15)",
    pattern: /\beval\(|\bnew Function\(|\bnew AsyncFunction\(|\bvm\.\w+\(|node:vm\b/g,
    what: "no code is made from text",
    allowed: {
      "src/clients/mysql/binlog/row-codec.ts":
        "row decoders are compiled from column types and positions, never from a name or value",
    },
  },
  {
    name: "other programs (S15)",
    pattern: /node:child_process|\bBun\.spawn(?:Sync)?\(|\bBun\.\$|from "bun".*\$/g,
    what: "no other program is started",
    allowed: {
      "plugins/input/stream/command-source.ts": "the command that the config names, word by word",
    },
  },
  {
    name: "a shell (S15)",
    pattern: /\bshell: *true|\bexec(?:Sync)?\(\s*[`"']|"(?:sh|bash|\/bin\/sh)"/g,
    what: "no shell is used",
    allowed: {},
  },
  {
    name: "modules by a computed path (S15)",
    pattern: /\bimport\(\s*(?!["'][\w@#./-]+["']\s*\))|\brequire\(|\bBun\.plugin\(/g,
    what: "no module is loaded from a path that is computed",
    allowed: {
      "src/plugin/registry.ts": "files of the config's own folder, with links resolved",
      "src/cli/plugin-templates.ts": "a line that is written into plugins/index.ts",
    },
  },
  {
    name: "regular expressions from text (S14)",
    pattern: /\bnew RegExp\(/g,
    what: "no pattern of a user becomes a regular expression: identMatches takes linear time",
    allowed: { "src/cli/pages.ts": "made of names of plugins, for pages, not in the daemon" },
  },
  {
    name: "requests to URLs (S12, S15)",
    pattern: /(?:\bawait|\breturn|=|=>|\bglobalThis\.) ?fetch\(/g,
    what: "nothing is fetched: no updates, no code",
    allowed: { "src/cli/client.ts": "dbc asks the daemon that its user names" },
  },
  {
    name: "certificates that are not looked at (S5)",
    pattern: /rejectUnauthorized: *false|NODE_TLS_REJECT_UNAUTHORIZED/g,
    what: "certificates are verified, unless a config says otherwise",
    allowed: {},
  },
  {
    name: "predictable names in /tmp (S9)",
    pattern: /\btmpdir\(\)/g,
    what: "use mkdtemp, and say why it cannot be the data folder",
    allowed: {
      "src/http/socket-folder.ts": "mkdtemp, since paths of sockets are short",
      "src/pipeline-test/pipeline.ts":
        "mkdtemp, gone with the test of a pipeline, which leaves the data folder alone",
    },
  },
];

function ruleOf({ name, pattern, what, allowed }: Ban): Rule {
  return {
    name,
    check: (file: SourceFile) =>
      product.test(file.path) && allowed[file.path] === undefined
        ? linesWith(withoutComments(file.text), pattern, what)
        : [],
  };
}

/** Strings stay: what is forbidden may stand in one. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g, (found) =>
    found.replace(/[^\n]/g, " "),
  );
}

export const safetyRules: readonly Rule[] = bans.map(ruleOf);

/** Files that are allowed something, to notice those that need it no more. */
export const exceptions: readonly (readonly [rule: string, path: string, pattern: RegExp])[] =
  bans.flatMap(({ name, allowed, pattern }) =>
    Object.keys(allowed).map((path) => [name, path, pattern] as const),
  );
