// Work that is done again and again, one run after the other, until it is stopped.

const TIMEOUT_MS = 10_000;

export class Poll {
  #work;
  #stop = null;
  // Ends the wait for the next run, or makes there be none.
  #next = () => {};

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
    this.#next();
  }

  // Runs as soon as the run that is under way, if any, is over. What is stopped stays so.
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
