// Pictures from this browser into the sender: a file, a drop, the clipboard, the camera.

import { control } from "./control.js";
import { sizeText } from "./words.js";

const LARGEST = 32 * 1024 * 1024;
const QUALITY = 0.92;
const byId = (id) => document.getElementById(id);

export class SendPanel {
  #camera = null;
  enabled = false;

  constructor() {
    byId("send-choose").addEventListener("click", () => byId("send-file").click());
    for (const id of ["send-file", "send-capture"]) {
      byId(id).addEventListener("change", () => {
        if (byId(id).files[0]) this.#send(byId(id).files[0]);
        byId(id).value = "";
      });
    }
    byId("send-camera").addEventListener("click", () => this.#open());
    byId("camera-take").addEventListener("click", () => this.#take());
    byId("camera-close").addEventListener("click", () => byId("camera").close());
    byId("camera").addEventListener("close", () => this.#stop());
    addEventListener("dragover", (event) => this.#onDrag(event));
    addEventListener("dragleave", (event) => event.relatedTarget || delete document.body.dataset.dropping);
    addEventListener("drop", (event) => this.#onDrop(event));
    addEventListener("paste", (event) => this.#onPaste(event));
  }

  #onDrag(event) {
    if (!this.enabled || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.dataset.dropping = "true";
  }

  #onDrop(event) {
    delete document.body.dataset.dropping;
    const file = event.dataTransfer?.files[0];
    if (!this.enabled || !file) return;
    event.preventDefault();
    this.#send(file);
  }

  #onPaste(event) {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!this.enabled || !file) return;
    event.preventDefault();
    this.#send(file);
  }

  async #open() {
    // Phones have a camera application of their own; browsers without https have no camera for pages.
    if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices?.getUserMedia) {
      byId("send-capture").click();
      return;
    }
    try {
      this.#camera = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    } catch {
      this.#say("The camera cannot be used. Allow it for this page in the browser, or choose a file.");
      return;
    }
    byId("camera-view").srcObject = this.#camera;
    byId("camera").showModal();
  }

  async #take() {
    const view = byId("camera-view");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [view.videoWidth, view.videoHeight];
    canvas.getContext("2d").drawImage(view, 0, 0);
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    byId("camera").close();
    if (picture) this.#send(picture);
    else this.#say("The camera shows nothing yet; try again.");
  }

  #stop() {
    this.#camera?.getTracks().forEach((track) => track.stop());
    byId("camera-view").srcObject = null;
    this.#camera = null;
  }

  async #send(file) {
    if (file.size > LARGEST) {
      this.#say(`A picture has at most ${sizeText(LARGEST)}; this one has ${sizeText(file.size)}.`);
      return;
    }
    const name = file.name ?? "the photograph";
    this.#say(`Encoding ${name}`);
    try {
      const query = new URLSearchParams({ prompt: byId("send-prompt").value.trim() });
      const { waiting } = await control(`images?${query}`, { body: file });
      byId("send-prompt").value = "";
      this.#say(waiting > 1 ? `${name} is number ${waiting} in line.` : `${name} is sent next.`);
    } catch (error) {
      this.#say(error.message);
    }
  }

  #say(text) {
    byId("send-status").textContent = text;
    if (byId("steer").hidden) byId("note").textContent = text;
    byId("note").hidden = byId("note").textContent === "";
  }
}
