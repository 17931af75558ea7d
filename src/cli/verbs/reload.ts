import type { ReloadReport } from "../../api/port.ts";
import type { EntryChange } from "../../config/diff.ts";
import { problemText } from "../../config/problem.ts";
import { printable, tableText } from "../text.ts";
import { show, usageError, type Verb } from "../verb.ts";

export const reloadVerb: Verb = {
  name: "reload",
  summary: "reads the configuration again and changes what runs to fit it",
  usage: ["reload [--dry-run]"],
  options: { "dry-run": { type: "boolean" } },
  help: `      --dry-run     only says what would change, or why it would be refused

What is not valid, or can only change at a start, is refused whole: nothing that runs changes then.

`,
  async run(context) {
    if (context.args.length > 0) {
      throw usageError("it takes no argument: the daemon knows its file", "reload [--dry-run]");
    }
    const query = context.values["dry-run"] === true ? "?dryRun=true" : "";
    const report = await context.client.send<ReloadReport>("POST", `/api/v1/reload${query}`);
    show(context, report, () => reportText(report));
    return 0;
  },
};

function reportText({ outcome, version, changes, rerouted, warnings }: ReloadReport): string {
  const lines = warnings.map((problem) => `${printable(problemText(problem))}\n`).join("");
  if (changes.length === 0) return `${lines}nothing has changed: version ${version} goes on\n`;
  const dry = outcome === "dry-run";
  const head = dry ? "this would change:\n" : `version ${version} runs now:\n`;
  const rows = changes.map((one) => [one.kind, one.name, one.change, aboutText(one)]);
  const waits = rerouted.length === 0 ? "" : `${waitsText(dry)}: ${rerouted.join(", ")}\n`;
  return lines + head + tableText(["KIND", "NAME", "CHANGE", "WHAT"], rows) + waits;
}

function aboutText({ change, keys, restarts }: EntryChange): string {
  if (change !== "changed") return "";
  return `${keys.join(", ")}${restarts ? "; starts anew" : "; goes on"}`;
}

const waitsText = (dry: boolean): string =>
  dry
    ? "before that, what these inputs have in flight would have to arrive"
    : "before that, what these inputs had in flight has arrived";
