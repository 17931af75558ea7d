/**
 * How a copy of a packet ended. Both let the watermark pass: dealt with (written by an output,
 * sent on, or dropped by a filter on purpose), or kept in the dead letters. The worst is the highest.
 */
export const DELIVERED = 0;
export const DEADLETTERED = 1;
export type Outcome = typeof DELIVERED | typeof DEADLETTERED;
