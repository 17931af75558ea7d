const started = Date.now();

/** Says on standard error what is being done and since when; standard output stays for results. */
export function progress(what: string): void {
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stderr.write(`[services ${seconds}s] ${what}\n`);
}
