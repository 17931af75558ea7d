import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Secrets that stand in for real ones: each is drawn anew, so one that shows up anywhere can have
 * come from there only. Searched for as it is and as base64, hex and percent-encoding have it.
 */
export type Canaries = {
  /** A new secret of 32 characters, some of which need an escape in URLs and JSON. */
  draw(name: string): string;
  /** Names the secrets that are in a text, and where. */
  in(where: string, text: string | Uint8Array): void;
  /** The same for every file below a folder but those in `except`. */
  inFolder(folder: string, except?: readonly string[]): void;
  /** What was found so far, and how much was looked at. */
  readonly found: readonly string[];
  readonly looked: { readonly texts: number; readonly bytes: number };
};

const fileBytesMax = 64 << 20;

export function drawCanaries(): Canaries {
  const forms = new Map<string, readonly string[]>();
  const found = new Set<string>();
  const looked = { texts: 0, bytes: 0 };

  function look(where: string, text: string | Uint8Array): void {
    const haystack = typeof text === "string" ? text : Buffer.from(text).toString("latin1");
    looked.texts++;
    looked.bytes += haystack.length;
    for (const [name, some] of forms) {
      if (some.some((form) => haystack.includes(form))) found.add(`${name} in ${where}`);
    }
  }

  return {
    draw(name) {
      const secret = `cnry"${crypto.randomUUID().replaceAll("-", "").slice(0, 26)}/`;
      const core = secret.slice(5, -1);
      forms.set(name, [core, ...encodingsOf(secret)]);
      return secret;
    },
    in: look,
    inFolder(folder, except = []) {
      for (const one of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, one.name);
        if (except.includes(path)) continue;
        if (one.isDirectory()) this.inFolder(path, except);
        else if (one.isFile() && lstatSync(path).size <= fileBytesMax) {
          look(path, readFileSync(path));
        }
      }
    },
    get found() {
      return [...found];
    },
    looked,
  };
}

/** Of base64, only the middle is the same wherever the secret begins; so each alignment is tried. */
function encodingsOf(secret: string): readonly string[] {
  const base64 = [0, 1, 2].map((pad) => {
    const text = Buffer.from("x".repeat(pad) + secret).toString("base64");
    return text.slice(pad === 0 ? 0 : 4, -6);
  });
  return [...base64, Buffer.from(secret).toString("hex")];
}
