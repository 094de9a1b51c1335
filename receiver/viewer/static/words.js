// Formats numbers and names for people.

export const LAYERS = {
  semantic: { title: "Text", short: "text" },
  structure: { title: "Lines", short: "lines" },
  texture: { title: "Colours", short: "colours" },
  detail: { title: "Detail", short: "detail" },
};

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = (number) => whole.format(number);

/** Format a size in bytes: [figure, unit]. */
export function size(bytes) {
  if (bytes < 10_000) return [count(bytes), bytes === 1 ? "byte" : "bytes"];
  if (bytes < 1e6) return [tenths.format(bytes / 1e3), "kB"];
  return [tenths.format(bytes / 1e6), "MB"];
}

export const sizeText = (bytes) => size(bytes).join(" ");

/** The prompt, with a mark if a program guessed it; null before it has arrived. */
export const promptText = (picture) => (picture.prompt && picture.guess ? `${picture.prompt} (${picture.guess})` : picture.prompt);

/** "40 of 120 bytes" */
export function partText(part, whole) {
  const [figure, unit] = size(part);
  return unit === size(whole)[1] ? `${figure} of ${sizeText(whole)}` : `${figure} ${unit} of ${sizeText(whole)}`;
}

export const secondsFigure = (seconds) => (seconds < 99.95 ? tenths.format(seconds) : count(seconds));

export const secondsText = (seconds) =>
  seconds < 600 ? `${secondsFigure(seconds)} s` : `${count(seconds / 60)} min`;

/** Format a fraction as percent, rounded down: "100 %" means complete. */
export function percentText(share) {
  const percent = share * 100;
  if (percent >= 100) return "100 %";
  if (percent >= 10) return `${Math.floor(percent)} %`;
  if (percent >= 0.1) return `${tenths.format(Math.floor(percent * 10) / 10)} %`;
  return `${percent.toFixed(2)} %`;
}

/** "text, lines and colours" */
export function layersText(names) {
  const short = names.map((name) => LAYERS[name].short);
  return short.length < 2 ? short.join("") : `${short.slice(0, -1).join(", ")} and ${short.at(-1)}`;
}
