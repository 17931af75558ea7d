import type { Place, Problem } from "../errors.ts";

export type { Problem } from "../errors.ts";

export type Path = readonly (string | number)[];

/** A config path as people write it: `outputs[0].batch.countMax`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** `file:line:column`, the form that terminals and editors turn into a link. */
export function placeText(place: Place): string {
  const spot = place.line === undefined ? "" : `:${place.line}:${place.column ?? 1}`;
  return `${place.file ?? "config"}${spot}`;
}

/** The same problems in the order in which the file is read. */
export function inFileOrder(problems: readonly Problem[]): readonly Problem[] {
  const at = ({ place }: Problem) => (place.line ?? 0) * 100_000 + (place.column ?? 0);
  return [...problems].sort((a, b) => at(a) - at(b));
}

/** Two lines a problem: where and what, then what would be right. */
export function problemsText(problems: readonly Problem[]): string {
  return problems.map((problem) => `${whereAndWhat(problem)}\n    ${problem.remedy}\n`).join("");
}

/** The same in one line, for the log. */
export function problemText(problem: Problem): string {
  return `${whereAndWhat(problem)}; ${problem.remedy}`;
}

function whereAndWhat({ place, severity, message, code }: Problem): string {
  const path = place.path ? ` ${place.path}:` : "";
  return `${placeText(place)}: ${severity}:${path} ${message} [${code}]`;
}

/** Whether any of them keeps the configuration from being used. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === "error");
}
