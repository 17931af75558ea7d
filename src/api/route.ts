import type { ZodType, z } from "zod";
import type { AdminPort } from "./port.ts";
import type { Role } from "./role.ts";

export type Method = "get" | "put" | "post" | "delete";

/** What a handler gets: everything already checked by the route's schemas. */
export type Input<P, Q, B> = {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Who asks: the name of a token and its role, or nobody in particular. */
  readonly by: string;
};

export type Reply = {
  readonly status?: number;
  readonly type?: string;
  readonly body: unknown;
};

/** One line of the router table; the app, the OpenAPI document and the tests are made from it. */
export type Route = {
  readonly method: Method;
  /** In OpenAPI's spelling: `/api/v1/pause/{input}`. */
  readonly path: string;
  readonly summary: string;
  /** Answers without a token; only for probes, which tell nothing. */
  readonly open: boolean;
  /** The least role that a token needs, where tokens are asked for. */
  readonly role: Role;
  readonly params: ZodType | undefined;
  readonly query: ZodType | undefined;
  readonly body: ZodType | undefined;
  /** undefined where the answer is not JSON. */
  readonly response: ZodType | undefined;
  readonly handle: (port: AdminPort, input: Input<unknown, unknown, unknown>) => Promise<Reply>;
};

type Definition<P extends ZodType, Q extends ZodType, B extends ZodType> = {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly open?: boolean;
  /** read for what only looks and admin for what changes something, unless told. */
  readonly role?: Role;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly response?: ZodType;
  readonly handle: (
    port: AdminPort,
    input: Input<z.infer<P>, z.infer<Q>, z.infer<B>>,
  ) => Reply | Promise<Reply>;
};

export function route<P extends ZodType, Q extends ZodType, B extends ZodType>(
  definition: Definition<P, Q, B>,
): Route {
  const { handle } = definition;
  return {
    method: definition.method,
    path: definition.path,
    summary: definition.summary,
    open: definition.open ?? false,
    role: definition.role ?? (definition.method === "get" ? "read" : "admin"),
    params: definition.params,
    query: definition.query,
    body: definition.body,
    response: definition.response,
    handle: async (port, input) => handle(port, input as Input<z.infer<P>, z.infer<Q>, z.infer<B>>),
  };
}
