import type { Gap } from "../../gap/store.ts";
import { tableText, timeText } from "../text.ts";
import { show, type Verb } from "../verb.ts";

export const gapsVerb: Verb = {
  name: "gaps",
  summary: "pieces of a source that were skipped, and why",
  usage: ["gaps"],
  async run(context) {
    const gaps = await context.client.get<readonly Gap[]>("/api/v1/gaps");
    show(context, gaps, () => {
      if (gaps.length === 0) return "there are no gaps\n";
      return tableText(
        ["ID", "AT", "INPUT", "RESOURCE", "PARTITION", "FROM", "TO", "REASON"],
        gaps.map((gap) => [
          String(gap.id),
          timeText(gap.at),
          gap.input,
          gap.resource,
          gap.partition,
          gap.from,
          gap.to,
          gap.reason,
        ]),
      );
    });
    return 0;
  },
};
