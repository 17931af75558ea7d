import { expect, test } from "bun:test";

/** What the registry knows of the packages; undefined where it gives no answer. */
export type Audit = { readonly ok: boolean; readonly said: string } | undefined;

/** Asks for what is known to be unsafe, of high severity or worse, in what is shipped. */
export async function audit(folder: string): Promise<Audit> {
  const child = Bun.spawn([process.execPath, "audit", "--prod", "--audit-level=high"], {
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) === 0) return { ok: true, said: out };
  const answered = /vulnerabilit/i.test(out) && !/^error:/m.test(err);
  return answered ? { ok: false, said: out } : undefined;
}

/** A registry that is out of reach, or does not audit, is no fault of the sources: it is shouted. */
export function auditTest(name: string, found: Audit): void {
  if (found === undefined) {
    const why = "the registry answers no audit here, so nothing is known of the packages";
    process.stderr.write(`[services] NOT CHECKED: ${why}\n`);
    test.skip(`${name} [skipped: ${why}]`, () => {});
    return;
  }
  test(name, () => expect(found).toMatchObject({ ok: true }));
}
