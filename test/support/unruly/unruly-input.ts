import { basename } from "node:path";
import { z } from "zod";
import { defineInput } from "#plugin";
import { isFirst, type Misdeed, misdeeds } from "./misdeeds.ts";

const where = basename(import.meta.path, ".ts").split("-")[2] ?? "";

function fail(place: string): never {
  throw new Error(`thrown in ${place}`);
}

/** Emits 1 to 20, and fails once in the middle of it, somewhere. */
export const unrulyInput = defineInput<object, object>({
  name: "UnrulyInput",
  summary: "fails once, somewhere",
  configSchema: z.strictObject({}),
  open: () => ({}),
  async run(_, { resume, emit, ident, signal }) {
    for (let at = Number(resume() ?? 0) + 1; at <= 20; at++) {
      if (at === 10 && isFirst(`${import.meta.dir}/in-${where}.once`)) {
        const misdeed = misdeeds[where as Misdeed];
        if (misdeed === undefined) throw new Error(`thrown in ${where}`);
        misdeed(fail);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return;
      }
      await emit({ ident, payload: { kind: "text", text: `${at}` }, position: at, bytes: 10 });
    }
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  },
});
