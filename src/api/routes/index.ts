import type { Route } from "../route.ts";
import { clusterRoutes } from "./cluster.ts";
import { clusterConfigRoutes } from "./cluster-config.ts";
import { controlRoutes } from "./control.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import { healthRoutes } from "./health.ts";
import { statusRoutes } from "./status.ts";

/** The router table. The OpenAPI document itself is added by the app. */
export const routes: readonly Route[] = [
  ...healthRoutes,
  ...statusRoutes,
  ...controlRoutes,
  ...deadLetterRoutes,
  ...clusterRoutes,
  ...clusterConfigRoutes,
];
