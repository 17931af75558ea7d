import { dirname, resolve } from "node:path";
import { type Path, pathText } from "./problem.ts";
import { readBounded } from "./read-bounded.ts";

/**
 * `${NAME}`, `${NAME:-default}` and `${file:/path}` inside text values. A NAME is upper case, so
 * the braces of plugin templates such as `cdc.${db}.${tbl}` are left alone; `$${` writes a literal
 * `${`. What is put in is never looked at again, so a secret may contain anything.
 */
const reference =
  /\$\$\{|\$\{(?:(?<name>[A-Z][A-Z0-9_]*)(?::-(?<fallback>[^}]*))?|file:(?<file>[^}]+))\}/g;

const secretBytesMax = 64 * 1024;

export type SecretSource = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a secret's file without its last line end; throws when it is not there. */
  readonly readSecret: (path: string) => string;
};

type Missing = { readonly path: Path; readonly what: string; readonly remedy: string };

export type Substituted = {
  readonly value: unknown;
  /** Paths of the texts in which something was put. */
  readonly paths: ReadonlySet<string>;
  readonly missing: readonly Missing[];
};

/** Whether a text is nothing but one reference without a default: then showing it tells nothing. */
export function isBareReference(text: string): boolean {
  return /^\$\{(?:[A-Z][A-Z0-9_]*|file:[^}]+)\}$/.test(text);
}

/** A copy of `value` with every reference replaced; what is missing is listed, not thrown. */
export function substitute(value: unknown, source: SecretSource): Substituted {
  const paths = new Set<string>();
  const missing: Missing[] = [];

  function lookUp(groups: Record<string, string | undefined>, path: Path): string {
    const { name, fallback, file } = groups;
    if (name !== undefined) {
      const found = source.env[name];
      if (found !== undefined && (found !== "" || fallback === undefined)) return found;
      if (fallback !== undefined) return fallback;
      const remedy = "set it before the start, or give a default: ${NAME:-default}";
      missing.push({ path, what: `the environment variable ${name} is not set`, remedy });
      return "";
    }
    try {
      return source.readSecret(file ?? "");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const remedy = "create the file, readable for the user that dbusd runs as";
      missing.push({ path, what: `the file ${file} cannot be read: ${why}`, remedy });
      return "";
    }
  }

  function visit(part: unknown, path: Path): unknown {
    if (typeof part === "string") {
      return part.replace(reference, (...found) => {
        if (found[0] === "$${") return "${";
        paths.add(pathText(path));
        return lookUp(found.at(-1), path);
      });
    }
    if (Array.isArray(part)) return part.map((item, at) => visit(item, [...path, at]));
    if (part === null || typeof part !== "object") return part;
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, item] of Object.entries(part)) copy[key] = visit(item, [...path, key]);
    return copy;
  }

  return { value: visit(value, []), paths, missing };
}

/** Reads the files of `${file:…}`; a path that is not absolute starts at the config's folder. */
export function secretFiles(configFile: string): (path: string) => string {
  return (path) => {
    const whole = resolve(dirname(configFile), path);
    return readBounded(whole, secretBytesMax)
      .toString()
      .replace(/\r?\n$/, "");
  };
}
