// The play head: a moment of an arrival, moved by hand or by the clock. It imports nothing, so that exported pages
// contain it as it is.

const BEAT = 40;

export class PlayHead {
  #onMove;
  #timer = 0;
  #started = 0;
  #from = 0;

  /** The moment in seconds; null is the newest state. */
  at = null;
  speed = 1;
  /** Seconds to rest at the end before onEnd() is called; it is called once for each run. */
  rest = 4;
  onEnd = null;

  /** onMove(): called whenever the moment changes or the head starts or stops. */
  constructor(onMove) {
    this.#onMove = onMove;
    /** Returns the end in seconds. */
    this.duration = () => 0;
  }

  get playing() {
    return this.#timer !== 0;
  }

  /** Go to a moment and stay there; at or behind the end, to the newest state. */
  seek(at) {
    this.#stop();
    this.at = at === null || at >= this.duration() ? null : Math.max(0, at);
    this.#onMove();
  }

  /** Play from the present moment, or from the start if the head is at the end. */
  play() {
    if (this.duration() <= 0) return;
    this.#stop();
    this.#from = this.at ?? 0;
    this.#started = performance.now();
    this.#timer = setInterval(() => this.#beat(), BEAT);
    this.#beat();
  }

  pause() {
    this.#stop();
    this.#onMove();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  setSpeed(speed) {
    this.#from = this.#now();
    this.#started = performance.now();
    this.speed = speed;
  }

  #now() {
    return this.playing ? this.#from + ((performance.now() - this.#started) / 1000) * this.speed : this.at ?? 0;
  }

  #beat() {
    const now = this.#now();
    const end = this.duration();
    if (now < end) {
      this.at = now;
    } else {
      this.at = null;
      if (!this.onEnd) this.#stop();
      else if (now > end + this.rest * this.speed) {
        this.#stop();
        this.onEnd();
        return;
      }
    }
    this.#onMove();
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }
}
