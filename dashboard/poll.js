// Work that is done again and again, one run after the other, until it is stopped.

const TIMEOUT_MS = 10_000;

export class Poll {
  #work;
  #stop = null;

  // `work(signal)` answers how many milliseconds later it wants to run again.
  constructor(work) {
    this.#work = work;
  }

  // Runs at once, whatever has been before.
  start() {
    this.stop();
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  stop() {
    this.#stop?.abort();
  }

  async #run(stopped) {
    const waitMs = await this.#work(AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT_MS)]));
    if (stopped.aborted) return;
    const timer = setTimeout(() => {
      stopped.removeEventListener("abort", cancel);
      this.#run(stopped);
    }, waitMs);
    const cancel = () => clearTimeout(timer);
    stopped.addEventListener("abort", cancel, { once: true });
  }
}
