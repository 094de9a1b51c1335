// The presenter's view, and the quiet one for an audience at /show: the picture and large type, and a clicker's keys.

import { levelKey } from "./strips.js";

const byId = (id) => document.getElementById(id);

export class Presentation {
  #page;
  // The picture that is held although newer ones arrive.
  held = false;

  /** page: {pictures(), shown(), level(), choose(picture id, level key or null), hold(picture id or null)} */
  constructor(page) {
    this.#page = page;
    const audience = /\/show\/?$/.test(location.pathname);
    document.body.dataset.mode = audience ? "audience" : "page";
    byId("present").hidden = audience;
    byId("present").addEventListener("click", () => this.toggle());
  }

  get on() {
    return document.body.dataset.mode === "presenter";
  }

  toggle() {
    if (document.body.dataset.mode === "audience") return;
    document.body.dataset.mode = this.on ? "page" : "presenter";
    byId("present").ariaPressed = String(this.on);
    byId("invitation").hidden = !this.on;
    if (this.on) this.#invite();
    dispatchEvent(new Event("resize"));
  }

  /** Stay with the shown picture, or follow the newest again. */
  hold() {
    this.held = !this.held;
    byId("held").hidden = !this.held;
    this.#page.hold(this.held ? this.#page.shown()?.id ?? null : null);
  }

  /** What a clicker does: the next level of the picture, then the first level of the next picture; or back. */
  click(by) {
    const all = this.#page.pictures();
    const picture = this.#page.shown();
    if (!picture) return;
    const drawn = picture.levels.filter((level) => level.frame).map(levelKey);
    const now = drawn.indexOf(this.#page.level() ?? drawn.at(-1));
    if (drawn[now + by] !== undefined) {
      this.#page.choose(picture.id, drawn[now + by]);
      return;
    }
    const other = all[all.indexOf(picture) + by];
    if (!other) return;
    const levels = other.levels.filter((level) => level.frame).map(levelKey);
    this.#page.choose(other.id, by > 0 ? levels[0] ?? null : null);
  }

  #invite() {
    const show = new URL("show", document.baseURI);
    byId("code").src = "qr.svg";
    byId("code").alt = `QR code of ${show.href}`;
    const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    byId("invitation-address").textContent = local
      ? "Phones cannot reach this address. Open the page by this machine's name or IP address (--viewer 0.0.0.0:8080)."
      : show.href;
  }
}
