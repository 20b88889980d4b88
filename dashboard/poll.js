// Work that is repeated, one run after the other, until it is stopped.

const TIMEOUT_MS = 10_000;

export class Poll {
  #work;
  #stop = null;
  // Ends the wait for the next run, or skips it.
  #next = () => {};

  // `work(signal)` returns the wait before the next run, in milliseconds.
  constructor(work) {
    this.#work = work;
  }

  // Runs at once, and stops any previous run.
  start() {
    this.stop();
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  stop() {
    this.#stop?.abort();
    this.#next();
  }

  // Runs again as soon as the current run, if any, is over. A stopped poll stays stopped.
  hasten() {
    this.#next();
  }

  async #run(stopped) {
    while (!stopped.aborted) {
      let isHastened = false;
      this.#next = () => (isHastened = true);
      const waitMs = await this.#work(AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT_MS)]));
      if (stopped.aborted) return;
      if (!isHastened) await this.#wait(waitMs);
    }
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#next = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
