/** Of an input that looks, commits and beats as often as a test wants to see it. */
export const hastyInput = (bootstrap: string) => ({
  brokers: bootstrap.split(","),
  fetchWaitMs: 100,
  commitMs: 100,
  refreshMs: 200,
  heartbeatMs: 100,
  sessionTimeoutMs: 6_000,
});
