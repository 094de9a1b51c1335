// The live channel: server-sent events. Reconnects until it succeeds.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
// The server sends an event at least every 10 s; a connection that is silent for longer is dead.
const SILENCE = 25_000;
// A page in the background closes its connection: browsers allow only six per server, and the server limits viewers.
const HIDDEN_FOR = 60_000;

export class LiveConnection {
  #source = null;
  #wait = FIRST_WAIT;
  #retry = 0;
  #watchdog = 0;
  #leave = 0;
  #handlers;

  /** handlers: state(message), changes(message), status("live" | "connecting" | "paused") */
  constructor(handlers) {
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    addEventListener("online", () => this.open());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.#close();
    this.#handlers.status("connecting");
    const source = new EventSource("live");
    this.#source = source;
    const on = (name) =>
      source.addEventListener(name, (event) => {
        this.#wait = FIRST_WAIT;
        this.#guard();
        this.#handlers.status("live");
        this.#handlers[name](JSON.parse(event.data));
      });
    on("state");
    on("changes");
    // The browser's own reconnection stops at any status but 200, such as a proxy returns while the server restarts.
    source.addEventListener("error", () => this.#reopenLater());
    this.#guard();
  }

  #guard() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#reopenLater(), SILENCE);
  }

  #reopenLater() {
    this.#close();
    this.#handlers.status("connecting");
    this.#retry = setTimeout(() => this.open(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #close() {
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    this.#source?.close();
    this.#source = null;
  }

  #onVisibility() {
    clearTimeout(this.#leave);
    if (document.hidden) {
      this.#leave = setTimeout(() => {
        this.#close();
        this.#handlers.status("paused");
      }, HIDDEN_FOR);
    } else if (!this.#source) {
      this.#wait = FIRST_WAIT;
      this.open();
    }
  }
}
