import { z } from "zod";
import type { DeadLetter } from "../../deadletter/store.ts";
import { route } from "../route.ts";
import { deadLetterSchema } from "../schemas.ts";

const whole = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const idsMax = 1000;

export const deadLetterRoutes = [
  route({
    method: "get",
    path: "/api/v1/deadletters",
    summary: "Packets that failed for good, without their payload, oldest first.",
    query: z.strictObject({
      node: z.string().max(256).exactOptional(),
      input: z.string().max(256).exactOptional(),
      after: whole.describe("Only those with a greater id.").exactOptional(),
      limit: whole.min(1).max(1000).default(100),
    }),
    response: z.array(deadLetterSchema),
    handle: (port, { query }) => ({ body: port.deadLetters(query).map(withoutPacket) }),
  }),
  route({
    method: "get",
    path: "/api/v1/deadletters/{id}",
    role: "operate",
    summary: "One of them whole; its packet may hold row data.",
    params: z.strictObject({ id: whole }),
    response: z.object({ ...deadLetterSchema.shape, packet: z.unknown() }),
    handle: (port, { params }) => ({ body: port.deadLetter(params.id) }),
  }),
  route({
    method: "post",
    path: "/api/v1/deadletters/redrive",
    role: "operate",
    summary: "Sends dead letters again to the node that refused them.",
    body: z.strictObject({ ids: z.array(z.int().min(0)).min(1).max(idsMax) }),
    response: z.object({
      delivered: z.number(),
      failed: z.number(),
      outOfOrder: z
        .array(z.number())
        .describe("Those delivered that a newer packet of their key has overtaken, or may have."),
    }),
    handle: async (port, { body }) => ({ body: await port.redrive(body.ids) }),
  }),
];

function withoutPacket({ packet: _, ...letter }: DeadLetter): Omit<DeadLetter, "packet"> {
  return letter;
}
