import { isRecord, problemAt, type Reading } from "./entries.ts";
import type { Path, Problem } from "./problem.ts";
import { withoutUserinfo } from "./redact.ts";

const bareReference = /\$\{(?:[A-Z][A-Z0-9_]*|file:[^}]+)\}/g;

/** Whether all that is hidden of a text is a reference: beside it there is at most a user's name. */
function isReferred(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const rest = value.replace(bareReference, "");
  if (rest === value) return false;
  const userinfo = /:\/\/([^/@]*)@/.exec(rest);
  if (userinfo === null) return rest === "" || /^[\w.-]+:$/.test(rest);
  const isName = /^[^:]*:$/.test(userinfo[1] ?? "");
  const other = rest.replace(`${userinfo[1]}@`, "");
  return isName && withoutUserinfo(other) === other;
}

/**
 * Places where a text as it is written says more than it does when it is shown: secrets that are no
 * references. A file on one machine may have them; what is sent to all may not.
 */
export function clearSecrets(
  written: unknown,
  shown: unknown,
  reading: Pick<Reading, "placeOf">,
): readonly Problem[] {
  const problems: Problem[] = [];
  function visit(was: unknown, is: unknown, path: Path): void {
    if (Array.isArray(was) && Array.isArray(is)) {
      for (const [at, item] of was.entries()) visit(item, is[at], [...path, at]);
    } else if (isRecord(was) && isRecord(is)) {
      for (const [key, item] of Object.entries(was)) {
        if (Object.hasOwn(is, key)) visit(item, is[key], [...path, key]);
      }
    } else if (was !== is && !isReferred(was)) {
      const remedy = "write a reference, ${NAME} or ${file:/run/secrets/name}";
      const message = "a secret stands here in the clear, and all of the cluster could read it";
      problems.push({ ...problemAt(reading, path, message, remedy), code: "SECRET_IN_CLEAR" });
    }
  }
  visit(written, shown, []);
  return problems;
}
