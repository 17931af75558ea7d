import { show, usageError, type Verb } from "../verb.ts";

function verb(name: "pause" | "resume", summary: string, past: string): Verb {
  return {
    name,
    summary,
    usage: [`${name} INPUT`],
    async run(context) {
      const [input, ...rest] = context.args;
      if (input === undefined || rest.length > 0) {
        throw usageError("it wants the name of one input", `${name} INPUT`);
      }
      const path = `/api/v1/${name}/${encodeURIComponent(input)}`;
      show(context, await context.client.send("PUT", path), () => `${input} is ${past}\n`);
      return 0;
    },
  };
}

export const pauseVerb = verb("pause", "pauses an input; the rest goes on", "paused");
export const resumeVerb = verb("resume", "resumes a paused input where it was", "resumed");
