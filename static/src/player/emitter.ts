// How hls.js's parts tell each other of what happens: listeners by event, called in the order in which they came. It has
// the methods of the package "eventemitter3" that hls.js uses, whose place it takes in the build.

type Listener = (...told: unknown[]) => void;

interface Entry {
  listener: Listener;
  context: unknown;
  once: boolean;
}

export class EventEmitter {
  private readonly entries = new Map<string, readonly Entry[]>();

  on(event: string, listener: Listener, context: unknown = this, once = false): this {
    this.entries.set(event, [...this.of(event), { listener, context, once }]);
    return this;
  }

  once(event: string, listener: Listener, context: unknown = this): this {
    return this.on(event, listener, context, true);
  }

  /** Without a listener, all of the event go; `context` and `once` narrow down which of the same listener do. */
  off(event: string, listener?: Listener, context?: unknown, once?: boolean): this {
    const goes = (entry: Entry) =>
      !listener || (entry.listener === listener && (!once || entry.once) && (!context || entry.context === context));
    this.entries.set(event, this.of(event).filter((entry) => !goes(entry)));
    return this;
  }

  removeAllListeners(event?: string): this {
    if (event === undefined) this.entries.clear();
    else this.entries.delete(event);
    return this;
  }

  /** Tells those who listen now, also one whom another of them takes off meanwhile. Returns whether anybody did. */
  emit(event: string, ...told: unknown[]): boolean {
    const entries = this.of(event);
    for (const { listener, context, once } of entries) {
      if (once) this.off(event, listener, undefined, true);
      listener.apply(context, told);
    }
    return entries.length > 0;
  }

  listeners(event: string): Listener[] {
    return this.of(event).map(({ listener }) => listener);
  }

  listenerCount(event: string): number {
    return this.of(event).length;
  }

  private of(event: string): readonly Entry[] {
    return this.entries.get(event) ?? [];
  }
}
