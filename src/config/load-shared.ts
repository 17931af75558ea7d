import { clearSecrets } from "./clear-secrets.ts";
import { type LoadOptions, loadConfig } from "./load.ts";
import type { Loaded } from "./loaded.ts";
import { hasErrors, inFileOrder } from "./problem.ts";
import { parseYaml } from "./yaml.ts";

export type LoadSharedOptions = LoadOptions & {
  readonly text: string;
  /**
   * Whether secrets are looked up here. They are another process's where it only wants to know
   * whether the text is right: one that is missing is a warning then.
   */
  readonly withSecrets: boolean;
};

/** Checks a configuration that several processes are to share: as `loadConfig`, and no secret in it. */
export async function loadShared(file: string, options: LoadSharedOptions): Promise<Loaded> {
  const { text, withSecrets } = options;
  const loaded = await loadConfig(file, options);
  const yaml = parseYaml(text, file);
  const { shown } = loaded;
  const clear = shown === undefined ? [] : clearSecrets(yaml.value, shown, yaml);
  const problems = loaded.problems.map((problem) => {
    const isElsewhere = !withSecrets && problem.code === "SECRET_MISSING";
    return isElsewhere ? { ...problem, severity: "warning" as const } : problem;
  });
  const all = inFileOrder([...problems, ...clear]);
  return { ...loaded, problems: all, config: hasErrors(all) ? null : loaded.config };
}
