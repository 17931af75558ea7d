import { stringify } from "yaml";
import { builtins } from "#plugins/index.ts";
import { loadConfig } from "../../config/load.ts";
import { hasErrors, problemsText } from "../../config/problem.ts";
import { createRegistry } from "../../plugin/registry.ts";
import { exitCodes } from "../exit-code.ts";
import { show, usageError, type Verb } from "../verb.ts";

export const configVerb: Verb = {
  name: "config",
  summary: "checks a configuration file, or shows the one that runs",
  usage: ["config check FILE", "config show"],
  async run(context) {
    const [action, file, ...rest] = context.args;
    if (action === "show" && file === undefined) {
      const config = await context.client.get<unknown>("/api/v1/config");
      show(context, config, () => stringify(config));
      return exitCodes.clean;
    }
    if (action !== "check" || file === undefined || rest.length > 0) {
      throw usageError("it wants check FILE, or show", "config check FILE | config show");
    }
    const registry = createRegistry(builtins);
    const { problems } = await loadConfig(file, { registry, env: context.env });
    const ok = !hasErrors(problems);
    show(context, { file, ok, problems }, () => {
      return problemsText(problems) + (ok ? `${file}: it can be used\n` : "");
    });
    return ok ? exitCodes.clean : exitCodes.usage;
  },
};
