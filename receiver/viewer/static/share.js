// Dialogs: save and share one picture, and search the archive.

import { address, make } from "./layers.js";
import { sizeText } from "./words.js";

const byId = (id) => document.getElementById(id);
const api = (id, file = "") => `api/pictures/${encodeURIComponent(id)}${file}`;

const FILES = [
  ["/picture.png", "Picture", "PNG, with the prompt and the seed in its metadata"],
  ["/stream.lcast", "Stream", "the bytes that were sent, for layercast decode and edit"],
  ["/arrival.html", "Arrival, as a page", "one HTML file with a slider; opens anywhere, needs no server"],
  ["/arrival.webp", "Arrival, as an animation", "animated WebP, for chats and slides"],
  ["/recording.arrival", "Arrival, as a recording", "for layercast replay"],
];

export class Share {
  #shown;

  /** shown(): the picture that the page shows. */
  constructor(shown) {
    this.#shown = shown;
    byId("share-open").addEventListener("click", () => this.open());
    byId("copy-link").addEventListener("click", async () => {
      const link = byId("link");
      link.select();
      // Without https, browsers have no clipboard for scripts; the selected text can be copied by hand.
      const copied = await navigator.clipboard?.writeText(link.value).then(() => true, () => false);
      byId("copy-link").textContent = copied ? "Copied" : "Press Ctrl-C";
    });
  }

  update(picture) {
    byId("share-open").disabled = !picture || picture.status === "receiving";
  }

  open() {
    const picture = this.#shown();
    if (!picture || picture.status === "receiving") return;
    const list = byId("files");
    list.replaceChildren();
    for (const [file, name, words] of FILES) {
      const item = make("li", "", list);
      const link = make("a", "file", item);
      link.href = api(picture.id, file);
      link.download = "";
      make("b", "", link).textContent = name;
      make("span", "quiet", link).textContent = words;
    }
    const here = new URL(location.href);
    here.search = new URLSearchParams({ picture: picture.id });
    byId("link").value = here.href;
    byId("copy-link").textContent = "Copy";
    byId("share").showModal();
  }
}

export class Archive {
  #onChoose;
  #before = null;
  #asked = 0;
  #timer = 0;

  /** onChoose(picture): called with the picture that the user chose. */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    byId("archive-open").addEventListener("click", () => this.open());
    for (const id of ["words-wanted", "after", "until"]) {
      byId(id).addEventListener("input", () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#search(), 250);
      });
    }
    byId("more").addEventListener("click", () => this.#search(this.#before));
  }

  open() {
    byId("archive").showModal();
    this.#search();
  }

  async #search(before = null) {
    const asked = ++this.#asked;
    const query = new URLSearchParams({ q: byId("words-wanted").value });
    if (byId("after").value) query.set("after", byId("after").value);
    const until = byId("until").value && `${byId("until").value}T23:59:59`;
    if (before ?? until) query.set("before", before ?? until);
    const response = await fetch(`api/archive?${query}`).catch(() => null);
    if (asked !== this.#asked) return;
    if (!response?.ok) {
      byId("found-count").textContent = "The archive cannot be searched now.";
      return;
    }
    const { pictures, more } = await response.json();
    const list = byId("found");
    if (!before) list.replaceChildren();
    for (const one of pictures) this.#draw(list, one);
    this.#before = pictures.at(-1)?.arrived ?? null;
    byId("more").hidden = !more;
    byId("found-count").textContent = `${list.children.length}${more ? " or more" : ""} ${list.children.length === 1 ? "picture" : "pictures"}`;
  }

  #draw(list, one) {
    const item = make("li", "", list);
    const button = make("button", "hit", item);
    button.type = "button";
    const image = make("img", "", make("span", "thumb", button));
    image.alt = "";
    image.loading = "lazy";
    image.src = address(`/${api(one.id, "/frame.webp?small")}`);
    image.addEventListener("error", () => (image.hidden = true));
    const words = make("span", "", button);
    make("b", "", words).textContent = one.prompt || "without text";
    const when = new Date(one.arrived).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
    make("small", "quiet", words).textContent = `${when}, ${sizeText(one.size)}`;
    button.addEventListener("click", async () => {
      const response = await fetch(api(one.id)).catch(() => null);
      if (!response?.ok) return;
      byId("archive").close();
      this.#onChoose(await response.json());
    });
  }
}
