import { z } from "zod";
import { metricsText, metricsType } from "../../metrics.ts";
import { route } from "../route.ts";

export const healthRoutes = [
  route({
    method: "get",
    path: "/healthz",
    summary: "Whether the process lives.",
    open: true,
    response: z.object({ status: z.literal("ok") }),
    handle: () => ({ body: { status: "ok" } }),
  }),
  route({
    method: "get",
    path: "/readyz",
    summary: "Whether every input and output is running; 503 until then.",
    open: true,
    response: z.object({ ready: z.boolean() }),
    handle(port) {
      const { ready } = port.stat();
      return { status: ready ? 200 : 503, body: { ready } };
    },
  }),
  route({
    method: "get",
    path: "/metrics",
    summary: "Prometheus metrics.",
    async handle(port) {
      return {
        type: metricsType,
        body: await metricsText(port.stat(), port.supervisor(), port.cluster?.metrics()),
      };
    },
  }),
];
