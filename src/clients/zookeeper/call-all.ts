/** Calls all of them; the first error comes out when everybody was called. */
export function callAll<T>(listeners: Iterable<(value: T) => void>, value: T): void {
  const errors: unknown[] = [];
  for (const listener of [...listeners]) {
    try {
      listener(value);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
