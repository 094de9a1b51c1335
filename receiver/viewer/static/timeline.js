// How a picture arrived, and what it looked like at any moment of that: pure functions, and a cache of what was loaded.
// Times are seconds since the first packet.

import { address } from "./layers.js";

const REMEMBERED = 8;

/** Loads and remembers the timelines of pictures. */
export class Timelines {
  #known = new Map();
  #onLoaded;

  /** onLoaded(): called when a timeline has arrived. */
  constructor(onLoaded) {
    this.#onLoaded = onLoaded;
  }

  /** The timeline of a picture as far as it is known; loads it, or loads it again after the picture changed. */
  of(picture) {
    const entry = this.#known.get(picture.id) ?? { timeline: null, state: "", loading: false };
    const state = stateOf(picture);
    if (entry.state !== state && !entry.loading) {
      entry.loading = true;
      this.#load(picture.id, entry, state);
    }
    this.#known.delete(picture.id);
    this.#known.set(picture.id, entry);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.keys().next().value);
    return entry.timeline;
  }

  /** The timeline of a picture if it is loaded, of whatever age. */
  peek(picture) {
    return this.#known.get(picture.id)?.timeline ?? null;
  }

  async #load(id, entry, state) {
    try {
      const response = await fetch(`api/pictures/${encodeURIComponent(id)}/arrival`);
      if (response.ok) {
        entry.timeline = await response.json();
        entry.state = state;
      }
    } catch {
      // The connection is lost; the live channel reports that, and the next change loads again.
    }
    entry.loading = false;
    if (entry.timeline) this.#onLoaded();
  }
}

const stateOf = (picture) =>
  [picture.status, picture.frames, picture.received, picture.has_original, picture.rivals, picture.frame?.url].join();

/** The last item that has happened at a moment. */
export const lastAt = (items, at) => items.filter((item) => item.at <= at).at(-1) ?? null;

/** Bytes received at a moment: known at sections, linear in between. */
export function bytesAt(arrivals, at) {
  const next = arrivals.findIndex((one) => one.at > at);
  if (next === 0) return arrivals[0].received;
  if (next < 0) return arrivals.at(-1)?.received ?? 0;
  const [from, to] = [arrivals[next - 1], arrivals[next]];
  return from.received + ((to.received - from.received) * (at - from.at)) / (to.at - from.at);
}

/** The first moment at which so many bytes had been received: the inverse of `bytesAt`. */
export function momentOf(arrivals, bytes) {
  const next = arrivals.findIndex((one) => one.received >= bytes);
  if (next === 0) return arrivals[0].at;
  if (next < 0) return arrivals.at(-1)?.at ?? 0;
  const [from, to] = [arrivals[next - 1], arrivals[next]];
  return from.at + ((to.at - from.at) * (bytes - from.received)) / (to.received - from.received);
}

/** The picture as it was at a moment, in the form in which the server describes pictures. */
export function pictureAt(picture, timeline, at) {
  const arrivals = picture.arrivals.filter((one) => one.at <= at);
  const received = arrivals.at(-1)?.received ?? 0;
  const ended = at >= timeline.duration;
  return {
    ...picture,
    received: ended ? picture.received : received,
    bits_per_pixel: ((ended ? picture.received : received) * 8) / (picture.width * picture.height),
    status: ended ? picture.status : "receiving",
    ended_at: ended ? picture.ended_at : null,
    prompt: arrivals.some((one) => one.layer === "semantic") ? picture.prompt : null,
    frame: lastAt(timeline.frames, at),
    layers: picture.layers.map((layer) => layerAt(layer, arrivals)),
  };
}

function layerAt(layer, arrivals) {
  const mine = arrivals.filter((one) => one.layer === layer.name);
  return {
    ...layer,
    arrived_sections: mine.length,
    arrived_size: mine.reduce((sum, one) => sum + one.size, 0),
    first_at: mine[0]?.at ?? null,
    last_at: mine.at(-1)?.at ?? null,
    image: mine.length ? layer.image : null,
  };
}

/**
 * What can be compared at a moment: [{key, label, url}]; url is null where a format shows nothing.
 * levels: the levels and variants that are drawn, [{key, label, frame}].
 */
export function sourcesAt(picture, timeline, at, levels) {
  const sources = levels.map(({ key, label, frame }) => ({ key, label, url: address(frame.url) }));
  if (timeline?.original) sources.push({ key: "original", label: "Original", url: address(timeline.original) });
  for (const name of new Set(timeline?.rivals.map((stage) => stage.name))) {
    const stage = lastAt(timeline.rivals.filter((one) => one.name === name), at);
    if (!stage) continue;
    // The server computes one stage per section, one after the other.
    const pending = stage.at < (lastAt(picture.arrivals, at)?.at ?? 0);
    sources.push({ key: `rival:${name}`, label: name, stage, pending, url: pending ? null : stage.url && address(stage.url) });
  }
  return sources;
}
