/** Sees the largest buffer that was asked for, also when nobody ever touches its pages. */
export type AllocationMeter = { reset(): void; largest(): number };

const asking = ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const;

/** Watches every `Buffer.alloc` of this process from now on, those of packages included. */
export function meterAllocations(): AllocationMeter {
  let largest = 0;
  for (const name of asking) {
    const original = Buffer[name].bind(Buffer) as (size: number, ...rest: unknown[]) => Buffer;
    const metered = (size: number, ...rest: unknown[]): Buffer => {
      if (size > largest) largest = size;
      return original(size, ...rest);
    };
    Object.defineProperty(Buffer, name, { value: metered });
  }
  return {
    reset() {
      largest = 0;
    },
    largest: () => largest,
  };
}
