import { toDbusError } from "#src/errors.ts";

/** The code of what stands in the way, or `none`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "none",
    (thrown: unknown) => toDbusError(thrown).code,
  );
}

/** The same of what is thrown at once. */
export function codeOfCall(run: () => unknown): string {
  try {
    run();
    return "none";
  } catch (thrown) {
    return toDbusError(thrown).code;
  }
}
