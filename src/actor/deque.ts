/** A first-in first-out queue over a growing ring; push and shift in O(1) without garbage. */
export type Deque<T> = {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  shift(): T | undefined;
  clear(): void;
  [Symbol.iterator](): Iterator<T>;
};

export function createDeque<T>(): Deque<T> {
  let ring: (T | undefined)[] = new Array(16);
  let head = 0;
  let size = 0;

  function grow() {
    const next: (T | undefined)[] = new Array(ring.length * 2);
    for (let i = 0; i < size; i++) next[i] = ring[(head + i) & (ring.length - 1)];
    ring = next;
    head = 0;
  }

  return {
    get size() {
      return size;
    },
    push(item) {
      if (size === ring.length) grow();
      ring[(head + size) & (ring.length - 1)] = item;
      size++;
    },
    peek: () => (size === 0 ? undefined : ring[head]),
    shift() {
      if (size === 0) return undefined;
      const item = ring[head];
      ring[head] = undefined;
      head = (head + 1) & (ring.length - 1);
      size--;
      return item;
    },
    clear() {
      ring = new Array(16);
      head = 0;
      size = 0;
    },
    *[Symbol.iterator]() {
      for (let i = 0; i < size; i++) yield ring[(head + i) & (ring.length - 1)] as T;
    },
  };
}
