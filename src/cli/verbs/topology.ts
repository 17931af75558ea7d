import type { Topology } from "../../api/port.ts";
import { dotOf, svgOf, treeOf } from "../topology-text.ts";
import { show, usageError, type Verb } from "../verb.ts";

const usage = "topology [--dot | --svg]";

export const topologyVerb: Verb = {
  name: "topology",
  summary: "the graph of inputs, filters and outputs",
  usage: [usage],
  options: { dot: { type: "boolean" }, svg: { type: "boolean" } },
  help: `      --dot   for Graphviz
      --svg   a drawing: dbc topology --svg > bus.svg
`,
  async run(context) {
    const { dot, svg } = context.values;
    if (dot && svg) throw usageError("it is --dot or --svg", usage);
    const topology = await context.client.get<Topology>("/api/v1/topology");
    if (dot) context.out(dotOf(topology));
    else if (svg) context.out(svgOf(topology));
    else show(context, topology, () => treeOf(topology));
    return 0;
  },
};
