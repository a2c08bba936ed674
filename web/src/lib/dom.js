// Small helpers for building pages without a framework. Text only ever goes in as text, never as markup.

/** The element with this id; a missing one is a mistake in the page. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Make an element: `make("p", {className: "soft"}, "text", child)`. Keys with a dash become attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.includes("-")) element.setAttribute(key, String(value));
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children);
}

/** A button that copies `text` and says so. */
export function copyButton(label, text, what) {
  const button = make("button", { type: "button", className: "copy", "aria-label": `Copy ${what}`, title: text }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      button.textContent = "not copied";
    }
    setTimeout(() => { button.textContent = label; }, 1200);
  });
  return button;
}

/** Session time as `m:ss.s`. */
export function sessionTime(milliseconds) {
  const tenths = Math.round(milliseconds / 100);
  const minutes = Math.floor(tenths / 600);
  const rest = (tenths - minutes * 600) / 10;
  return `${minutes}:${rest < 10 ? "0" : ""}${rest.toFixed(1)}`;
}

/** A length of time in words that fit a line. */
export function lengthOf(milliseconds) {
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const minutes = Math.floor(milliseconds / 60_000);
  return `${minutes} min ${Math.round((milliseconds - minutes * 60_000) / 1000)} s`;
}

/** The first characters of a digest or id. */
export function short(digest, length = 12) {
  return digest.length > length ? `${digest.slice(0, length)}…` : digest;
}
