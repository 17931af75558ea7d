export { type HoldOptions, holdsFor } from "./holds-for.ts";
export { type Random, seededRandom, testSeed } from "./random.ts";
export { type WaitOptions, waitFor } from "./wait-for.ts";
